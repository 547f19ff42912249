// Package esdbtest is a double of an EventStoreDB server for tests and
// benchmarks: in the process, on a port of 127.0.0.1, on the protos that real
// servers speak. It knows nothing of Rowhouse.
//
// It behaves as servers 23.10 and 24.10 do where a client can tell, by the
// server's own source:
//
//   - the decision of an append and its idempotency by event ids:
//     ReaderIndex/IndexWriter.cs, CheckCommit
//   - soft delete, revival and tombstone: StorageWriterService.cs
//   - reads, subscriptions, filter windows and checkpoints:
//     Transport/Enumerators and ReaderIndex/AllReader.cs
//   - codes and trailers of refusals: Transport/Grpc/RpcExceptions.cs
//
// Order faults through [Server.Faults]; look behind the curtain with
// [Server.Events], [Server.Streams] and [Server.Len].
//
// What a real server does and this one does not:
//
//   - keep anything on disk: the log lives as long as the Server or Cluster
//   - BatchAppend, persistent subscriptions, projections, users, monitoring,
//     operations, multi-stream appends, and everything over HTTP: Scavenge is a
//     method here
//   - resolve links: an event of type $> is handed out as it is
//   - control_option of reads: no message tells the first or last revision
//   - refuse positions that point into the middle of a record
//   - lose, on an election, what the old leader had not replicated yet; nodes
//     of a Cluster share one log (see [Server.Freeze] for a follower that lags)
//   - fall behind with a subscription that is read slowly: gRPC's flow control
//     holds the double back
//   - access control beyond "signed in" for streams, "administrator" for
//     system streams and, for $all, administrators and readers that the
//     metadata of $all names
//   - .NET's regular expressions (these are Go's) and culture-sensitive
//     prefixes (these compare bytes)
package esdbtest
