// Every message of every service, for tests that hold for all of them: round trip, truncation, fuzzing.
// A new message is added here, and is tested.
#pragma once

#include <tuple>

#include "lib/protocol/anvil.h"
#include "lib/protocol/auth.h"
#include "lib/protocol/bounce.h"
#include "lib/protocol/cleanup.h"
#include "lib/protocol/delivery.h"
#include "lib/protocol/keys.h"
#include "lib/protocol/master.h"
#include "lib/protocol/qmgr.h"
#include "lib/protocol/rewrite.h"
#include "lib/protocol/session.h"

namespace postrider::protocol {

using AllMessages =
    std::tuple<Connect, Unconnect, CountEvent, Counts, ListMechanisms, Mechanisms, AuthStart, AuthContinue,
               AuthCancel, AuthStep, RedeemTicket, UserRecord, Notify, Notified, ReserveIds, ReservedIds,
               Submit, SubmitWhole, Content, ContentEnd, Submitted, DeliveryRequest, DeliveryReport, Sign,
               Signed, GetTicketKeys, TicketKeys, GetChains, ChildStatus, Drain, Queued, QueueCommand,
               QueueCommandDone, ListQueue, QueueEntry, QueueListEnd, Rewrite, Rewritten, Resolve, Resolved,
               CheckRecipient, RecipientChecked, Lookup, LookedUp, OpenSession, SessionOpened>;

}  // namespace postrider::protocol
