// Answers that several tasks may want at once: whoever asks while an answer to the same question is being
// fetched gets the next one, fetched once for all who wait for it. So nobody's answer is older than his
// question.
//
// For agents of which many requests at once need the same slow lookup. Single-threaded, as its loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/event/scope.h"

namespace postrider::event {

template <class Answer>
class SharedAnswers {
 public:
  // Fetching goes on in `tasks`; both outlive whoever asks.
  SharedAnswers(Loop& loop, TaskScope& tasks) : loop_(loop), tasks_(tasks) {}

  // `fetch` must not throw. Of those who ask together one's is called, and lives until its task ended.
  Task<Answer> ask(std::string question, std::function<Task<Answer>()> fetch) {
    const auto asker = std::make_shared<Asker>();
    asker->fetch = std::move(fetch);
    Questions& questions = asked_[question];
    questions.waiting.push_back(asker);
    if (!questions.serving) {
      questions.serving = true;
      tasks_.spawn(serve(std::move(question)));
    }
    if (!asker->answer) {
      Wait wait(loop_, no_deadline, {});
      const Registration registered{asker->waiter, &wait};
      co_await wait;
    }
    co_return std::move(*asker->answer);
  }

 private:
  // Shared by the one who asks and the one who answers: either may be gone first.
  struct Asker {
    std::function<Task<Answer>()> fetch;
    std::optional<Answer> answer;
    Wait* waiter = nullptr;
  };
  struct Registration {
    Registration(Wait*& place, Wait* wait) : place_(place) { place_ = wait; }
    ~Registration() { place_ = nullptr; }
    Wait*& place_;
  };
  struct Questions {
    std::vector<std::shared_ptr<Asker>> waiting;
    bool serving = false;
  };

  Task<> serve(std::string question) {
    co_await loop_.yield();  // who else is ready in this turn joins the first round
    Questions& questions = asked_[question];
    while (!questions.waiting.empty()) {
      const auto askers = std::exchange(questions.waiting, {});
      const auto fetch = std::move(askers.front()->fetch);
      const Answer answer = co_await fetch();
      for (const auto& asker : askers) {
        asker->answer = answer;
        if (asker->waiter != nullptr) asker->waiter->wake();
      }
    }
    asked_.erase(question);
  }

  Loop& loop_;
  TaskScope& tasks_;
  std::map<std::string, Questions> asked_;
};

}  // namespace postrider::event
