#include "lib/daemon/delivery_agent.h"

namespace postrider::daemon {

namespace {

using Deliver = std::function<event::Task<protocol::DeliveryReport>(Job&)>;

event::Task<> serve_request(Daemon& daemon, const Deliver& deliver, ipc::Call call, ipc::Frame frame) {
  std::optional<protocol::DeliveryRequest> request = frame.as<protocol::DeliveryRequest>();
  if (!request) throw io::Ended{io::Ended::Why::lost, "no delivery request"};
  Job job;
  Result<queue::Envelope> envelope = queue::decode_envelope(request->envelope);
  if (!envelope) {
    daemon.log().warning("malformed delivery request: {}", envelope.error().text());
    throw io::Ended{io::Ended::Why::lost, "no delivery request"};
  }
  job.request = std::move(*request);
  job.request.envelope.clear();
  job.envelope = std::move(*envelope);
  job.started = job.connected = daemon.clock().wall();
  const protocol::DeliveryReport report = co_await deliver(job);
  call.answer(report);
}

}  // namespace

int serve_deliveries(Daemon& daemon, std::function<event::Task<protocol::DeliveryReport>(Job&)> deliver) {
  return daemon.serve_calls([&](ipc::Call call, ipc::Frame frame) {
    return serve_request(daemon, deliver, call, std::move(frame));
  });
}

void log_outcome(Daemon& daemon, const Job& job, const protocol::RecipientOutcome& outcome,
                 std::string_view relay, unsigned connection_use) {
  if (outcome.index >= job.envelope.recipients.size()) return;
  const protocol::DeliveryTimes times{job.envelope.arrival, job.request.activated, job.started, job.connected,
                                      daemon.clock().wall()};
  daemon.log().info(
      "{}: {}", job.envelope.id,
      protocol::delivery_line(job.envelope.recipients[outcome.index], relay, connection_use, times, outcome));
}

}  // namespace postrider::daemon
