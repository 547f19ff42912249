// Package esdb speaks to EventStoreDB and KurrentDB: appends with an exact
// expected revision, reads, and a subscription that survives what clusters do.
//
// It uses the protocol definitions of the vendor's module, but not its client.
// That client is dead for good after one failed discovery, which a restart of a
// server is enough for, ignores the deadlines of its callers while it looks for
// a node, and leaks a connection with every outage. It also never sends the
// header that asks for the leader, so that what is read may be stale.
//
// The rules here:
//
//   - There is one connection at a time, to the leader, and this package owns
//     it. It is replaced when a server says that another is the leader, or when
//     it fails and gossip names another; calls under way on the old one end
//     first.
//   - Nobody waits longer than their own context. What is safe to repeat is
//     repeated until then, with the same event IDs and the same revision, which
//     the server recognizes.
//   - An error is either a refusal of the server that callers can tell apart
//     with errors.Is and errors.As, or a fault.
//   - Events are never logged, stream names at debug level only.
//
// Addresses come from the seeds, then from gossip and from the trailer
// leader-endpoint-host. The last two are what a node advertises, so a node
// behind NAT or in a container must be told what it is called from outside
// (AdvertiseHostToClientAs, AdvertiseHttpPortToClientAs), and its certificate
// must cover that name. A single seed without discovery asks for no gossip.
//
// What the protocol does not offer is not here: a scavenge, which is what takes
// deleted events off the disks, is started over HTTP on every node (POST
// /admin/scavenge), by an operator.
//
// The package knows nothing of tenants, of the domain, or of PostgreSQL.
package esdb
