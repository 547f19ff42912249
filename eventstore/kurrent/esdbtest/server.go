// Package esdbtest is an in-process EventStoreDB test double that speaks the
// same gRPC protos as the EventStore-Client-Go v4.2.0 client.
//
// Rules mirrored here, with the server source they come from (tag v24.10.14):
//   - append decision + idempotency: Services/Storage/ReaderIndex/IndexWriter.cs CheckCommit
//   - soft delete/undelete, tombstone: Services/Storage/StorageWriterService.cs WriteDelete/SoftUndeleteStream
//   - read/subscription shapes:       Services/Transport/Enumerators/Enumerator.*.cs
//   - error codes + trailers:         Services/Transport/Grpc/RpcExceptions.cs, Constants.cs
package esdbtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math"
	"math/big"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	expAny          int64 = -2
	expNoStream     int64 = -1
	expStreamExists int64 = -4
	deletedStream   int64 = math.MaxInt64 // EventNumber.DeletedStream
	endRevision           = math.MaxUint64
)

type record struct {
	stream      string
	number      int64
	id          uuid.UUID
	typ         string
	contentType string
	data, meta  []byte
	created     time.Time
	pos         uint64 // commit == prepare for every write since v5 (self-committed prepares)
	tombstone   bool
}

type streamState struct {
	last      int64 // last event number; deletedStream once tombstoned
	events    []*record
	scavenged bool
}

type meta struct {
	maxCount *int64
	maxAge   *time.Duration
	tb       *int64
	metaLast int64
	raw      map[string]any
}

// Server is the double. Fields before mu may be set before it listens.
type Server struct {
	streams.UnimplementedStreamsServer
	serverfeatures.UnimplementedServerFeaturesServer

	Version       string // what ServerFeatures reports; the v4.2.0 client needs three plain integers
	MaxAppendSize int    // server default 1 MiB
	Now           func() time.Time

	// Hooks for fault injection and for asserting what is on the wire.
	OnRequest   func(method string, md metadata.MD) error
	OnDelete    func() (*streams.DeleteResp, bool)
	OnRead      func(streams.Streams_ReadServer)
	OnAppend    func(streams.Streams_AppendServer) error
	TLS         *tls.Config
	OmitCreated bool
	NodeState   gossip.MemberInfo_VNodeState

	mu      sync.Mutex
	changed chan struct{} // closed and replaced on every commit
	log     []*record
	streams map[string]*streamState
	byID    map[uuid.UUID]*record
	nextPos uint64

	grpc *grpc.Server
	lis  net.Listener
	host string
	port uint32
}

func newServer() *Server {
	return &Server{
		Version: "23.10.8", MaxAppendSize: 1 << 20, Now: time.Now,
		NodeState: gossip.MemberInfo_Leader,
		changed:   make(chan struct{}), streams: map[string]*streamState{}, byID: map[uuid.UUID]*record{},
	}
}

// listen listens on addr ("127.0.0.1:0" for any port) and returns the address.
func (s *Server) listen(addr string) (string, error) {
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	s.lis = lis
	a := lis.Addr().(*net.TCPAddr)
	s.host, s.port = a.IP.String(), uint32(a.Port)
	// grpc-go's default policy (5 min) would GOAWAY this client, which pings every 10 s without streams.
	creds := insecure.NewCredentials()
	if s.TLS != nil {
		creds = credentials.NewTLS(s.TLS)
	}
	s.grpc = grpc.NewServer(
		grpc.Creds(creds),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.MaxRecvMsgSize(16<<20),
		grpc.UnaryInterceptor(func(ctx context.Context, req any, i *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			if err := s.hook(ctx, i.FullMethod); err != nil {
				return nil, err
			}
			return h(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, i *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			if err := s.hook(ss.Context(), i.FullMethod); err != nil {
				return err
			}
			return h(srv, ss)
		}),
	)
	streams.RegisterStreamsServer(s.grpc, s)
	gossip.RegisterGossipServer(s.grpc, gossipShim{s: s})
	serverfeatures.RegisterServerFeaturesServer(s.grpc, s)
	go func() { _ = s.grpc.Serve(lis) }()
	return lis.Addr().String(), nil
}



func (s *Server) hook(ctx context.Context, method string) error {
	if s.OnRequest == nil {
		return nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	return s.OnRequest(method, md)
}

// ---- ServerFeatures, Gossip ------------------------------------------------

func (s *Server) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	return &serverfeatures.SupportedMethods{
		EventStoreServerVersion: s.Version,
		Methods: []*serverfeatures.SupportedMethod{
			{ServiceName: "event_store.client.streams.streams", MethodName: "append"},
			{ServiceName: "event_store.client.streams.streams", MethodName: "read", Features: []string{"position", "events"}},
		},
	}, nil
}

// Both Streams and Gossip have a method called Read, so Gossip needs its own receiver.
type gossipShim struct {
	gossip.UnimplementedGossipServer
	s *Server
}

func (g gossipShim) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	return &gossip.ClusterInfo{Members: []*gossip.MemberInfo{{
		State: g.s.NodeState, IsAlive: true, InstanceId: wireUUID(uuid.New()),
		HttpEndPoint: &gossip.EndPoint{Address: g.s.host, Port: g.s.port},
	}}}, nil
}

// ---- errors ----------------------------------------------------------------

type trailerSetter interface{ SetTrailer(metadata.MD) }

type unaryTrailer struct{ ctx context.Context }

func (u unaryTrailer) SetTrailer(md metadata.MD) { _ = grpc.SetTrailer(u.ctx, md) }

func errStreamDeleted(t trailerSetter, stream string) error {
	t.SetTrailer(metadata.Pairs("exception", "stream-deleted", "stream-name", stream))
	return status.Errorf(codes.FailedPrecondition, "Event stream '%s' is deleted.", stream)
}

func errWrongVersion(t trailerSetter, op, stream string, exp, cur int64) error {
	t.SetTrailer(metadata.Pairs("exception", "wrong-expected-version", "stream-name", stream,
		"expected-version", strconv.FormatInt(exp, 10), "actual-version", strconv.FormatInt(cur, 10)))
	return status.Errorf(codes.FailedPrecondition,
		"%s failed due to WrongExpectedVersion. Stream: %s, Expected version: %d, Actual version: %d", op, stream, exp, cur)
}

// NotLeader is what a follower answers to a request that carried requires-leader.
func NotLeader(t trailerSetter, host string, port int) error {
	t.SetTrailer(metadata.Pairs("exception", "not-leader",
		"leader-endpoint-host", host, "leader-endpoint-port", strconv.Itoa(port)))
	return status.Error(codes.NotFound, "Leader info available")
}

// ---- core: metadata, decisions, writes (caller holds mu) ---------------------

func metaStream(stream string) string { return "$$" + stream }

func (s *Server) metaOf(stream string) meta {
	m := meta{metaLast: -1}
	if strings.HasPrefix(stream, "$$") {
		one := int64(1) // ESConsts.MetaStreamMaxCount
		m.maxCount = &one
		return m
	}
	ms := s.streams[metaStream(stream)]
	if ms == nil || len(ms.events) == 0 || ms.last == deletedStream {
		return m
	}
	ev := ms.events[len(ms.events)-1]
	m.metaLast = ev.number
	if json.Unmarshal(ev.data, &m.raw) != nil {
		return m
	}
	num := func(k string) *int64 {
		if f, ok := m.raw[k].(float64); ok {
			v := int64(f)
			if f >= math.MaxInt64 {
				v = deletedStream
			}
			return &v
		}
		return nil
	}
	m.maxCount, m.tb = num("$maxCount"), num("$tb")
	if a := num("$maxAge"); a != nil {
		d := time.Duration(*a) * time.Second
		m.maxAge = &d
	}
	return m
}

func (s *Server) lastOf(stream string) int64 {
	if st := s.streams[stream]; st != nil {
		return st.last
	}
	return -1
}

func (s *Server) softDeleted(stream string) bool {
	m := s.metaOf(stream)
	return m.tb != nil && *m.tb == deletedStream
}

type decision int

const (
	decOK decision = iota
	decWrong
	decDeleted
	decIdempotent
)

func (s *Server) check(stream string, exp int64, ids []uuid.UUID) (d decision, cur, idemLast int64, soft bool) {
	cur = s.lastOf(stream)
	if cur == deletedStream {
		return decDeleted, cur, 0, false
	}
	if exp == expStreamExists {
		if s.softDeleted(stream) {
			return decDeleted, cur, 0, true
		}
		if cur < 0 && s.lastOf(metaStream(stream)) < 0 {
			return decWrong, cur, 0, false
		}
	}
	if exp == expAny || exp == expStreamExists {
		for i, id := range ids {
			r := s.byID[id]
			if r == nil || r.stream != stream {
				if i == 0 {
					return decOK, cur, 0, s.softDeleted(stream)
				}
				return decWrong, cur, 0, false // CorruptedIdempotency
			}
			idemLast = r.number
		}
		if len(ids) == 0 {
			return decOK, cur, 0, s.softDeleted(stream)
		}
		return decIdempotent, cur, idemLast, false
	}
	if exp < cur {
		n := exp
		for _, id := range ids {
			n++
			if r := s.byID[id]; r != nil && r.stream == stream && r.number == n {
				continue
			}
			if n == exp+1 && exp == expNoStream && s.softDeleted(stream) {
				return decOK, cur, 0, true
			}
			return decWrong, cur, 0, false
		}
		if n == exp {
			return decWrong, cur, 0, false
		}
		return decIdempotent, cur, n, false
	}
	if exp > cur {
		return decWrong, cur, 0, false
	}
	return decOK, cur, 0, s.softDeleted(stream)
}

func (s *Server) write(stream string, number int64, r *record) {
	st := s.streams[stream]
	if st == nil {
		st = &streamState{last: -1}
		s.streams[stream] = st
	}
	r.stream, r.number, r.created, r.pos = stream, number, s.Now(), s.nextPos
	s.nextPos += uint64(64 + len(r.data) + len(r.meta)) // gaps on purpose: positions are byte offsets
	st.last = number
	st.events = append(st.events, r)
	s.byID[r.id] = r
	s.log = append(s.log, r)
}

func (s *Server) commit() { close(s.changed); s.changed = make(chan struct{}) }

func (s *Server) setTB(stream string, tb int64, base map[string]any) {
	if base == nil {
		base = map[string]any{}
	}
	base["$tb"] = tb
	data, _ := json.Marshal(base)
	m := metaStream(stream)
	s.write(m, s.lastOf(m)+1, &record{id: uuid.New(), typ: "$metadata", contentType: "application/json", data: data})
}

// ---- Append ----------------------------------------------------------------

func (s *Server) Append(ss streams.Streams_AppendServer) error {
	first, err := ss.Recv()
	if err != nil {
		return err
	}
	if s.OnAppend != nil {
		if err := s.OnAppend(ss); err != nil {
			return err
		}
	}
	o := first.GetOptions()
	if o == nil {
		return status.Error(codes.Unknown, "Exception was thrown by handler.")
	}
	stream := string(o.GetStreamIdentifier().GetStreamName())
	var exp int64
	switch v := o.GetExpectedStreamRevision().(type) {
	case *streams.AppendReq_Options_Revision:
		exp = int64(v.Revision)
	case *streams.AppendReq_Options_NoStream:
		exp = expNoStream
	case *streams.AppendReq_Options_Any:
		exp = expAny
	case *streams.AppendReq_Options_StreamExists:
		exp = expStreamExists
	default:
		return status.Error(codes.InvalidArgument, "'None' is not a valid ExpectedStreamRevisionOneofCase")
	}
	var recs []*record
	var ids []uuid.UUID
	size := 0
	for {
		req, err := ss.Recv()
		if err != nil {
			if err.Error() == "EOF" {
				break
			}
			return err
		}
		p := req.GetProposedMessage()
		if p == nil {
			return status.Error(codes.Unknown, "Exception was thrown by handler.")
		}
		typ, ok1 := p.Metadata["type"]
		ct, ok2 := p.Metadata["content-type"]
		if !ok1 || !ok2 {
			ss.SetTrailer(metadata.Pairs("exception", "missing-required-metadata-property"))
			return status.Error(codes.InvalidArgument, "Required Metadata Property is missing")
		}
		if size += len(p.Data) + len(p.CustomMetadata) + 2*len(typ); size > s.MaxAppendSize {
			ss.SetTrailer(metadata.Pairs("exception", "maximum-append-size-exceeded",
				"maximum-append-size", strconv.Itoa(s.MaxAppendSize)))
			return status.Errorf(codes.InvalidArgument, "Maximum Append Size of %d Exceeded.", s.MaxAppendSize)
		}
		id := fromWire(p.Id)
		ids = append(ids, id)
		recs = append(recs, &record{id: id, typ: typ, contentType: ct, data: p.Data, meta: p.CustomMetadata})
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	d, cur, idemLast, soft := s.check(stream, exp, ids)
	switch d {
	case decDeleted:
		return errStreamDeleted(ss, stream)
	case decWrong:
		w := &streams.AppendResp_WrongExpectedVersion{}
		switch exp {
		case expAny:
			w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
		case expNoStream:
			w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
		case expStreamExists:
			w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}}
		default:
			w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: uint64(exp)}
		}
		if cur < 0 {
			w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
		} else {
			w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: uint64(cur)}
		}
		return ss.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: w}})
	}
	last, pos := idemLast, uint64(0)
	if d == decIdempotent {
		for _, r := range s.streams[stream].events {
			if r.number == idemLast {
				pos = r.pos
			}
		}
	} else {
		m := s.metaOf(stream)
		last = cur
		for i, r := range recs {
			s.write(stream, cur+1+int64(i), r)
			last, pos = r.number, r.pos
		}
		if soft && len(recs) > 0 {
			s.setTB(stream, cur+1, m.raw) // soft undelete
		}
		s.commit()
	}
	ok := &streams.AppendResp_Success{}
	if last < 0 {
		ok.CurrentRevisionOption = &streams.AppendResp_Success_NoStream{NoStream: &shared.Empty{}}
	} else {
		ok.CurrentRevisionOption = &streams.AppendResp_Success_CurrentRevision{CurrentRevision: uint64(last)}
	}
	ok.PositionOption = &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{CommitPosition: pos, PreparePosition: pos}}
	return ss.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: ok}})
}

// ---- Delete, Tombstone -------------------------------------------------------

func (s *Server) remove(ctx context.Context, stream string, exp int64, hard bool) (uint64, error) {
	t := unaryTrailer{ctx}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, cur, _, _ := s.check(stream, exp, []uuid.UUID{uuid.New()})
	if d == decDeleted {
		return 0, errStreamDeleted(t, stream)
	}
	if d == decWrong {
		return 0, errWrongVersion(t, "Delete", stream, exp, cur)
	}
	if hard {
		s.write(stream, deletedStream, &record{id: uuid.New(), typ: "$streamDeleted", contentType: "application/octet-stream", tombstone: true})
	} else {
		if cur < 0 && s.lastOf(metaStream(stream)) < 0 {
			return 0, errWrongVersion(t, "Delete", stream, exp, -1)
		}
		s.setTB(stream, deletedStream, nil) // drops ACL and every other metadata key, as the server does
	}
	s.commit()
	return s.log[len(s.log)-1].pos, nil
}

func (s *Server) Delete(ctx context.Context, r *streams.DeleteReq) (*streams.DeleteResp, error) {
	if s.OnDelete != nil {
		if resp, ok := s.OnDelete(); ok {
			return resp, nil
		}
	}
	o := r.GetOptions()
	exp := int64(o.GetRevision())
	switch o.GetExpectedStreamRevision().(type) {
	case *streams.DeleteReq_Options_NoStream:
		exp = expNoStream
	case *streams.DeleteReq_Options_Any:
		exp = expAny
	case *streams.DeleteReq_Options_StreamExists:
		exp = expStreamExists
	}
	pos, err := s.remove(ctx, string(o.GetStreamIdentifier().GetStreamName()), exp, false)
	if err != nil {
		return nil, err
	}
	return &streams.DeleteResp{PositionOption: &streams.DeleteResp_Position_{Position: &streams.DeleteResp_Position{CommitPosition: pos, PreparePosition: pos}}}, nil
}

func (s *Server) Tombstone(ctx context.Context, r *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	o := r.GetOptions()
	exp := int64(o.GetRevision())
	switch o.GetExpectedStreamRevision().(type) {
	case *streams.TombstoneReq_Options_NoStream:
		exp = expNoStream
	case *streams.TombstoneReq_Options_Any:
		exp = expAny
	case *streams.TombstoneReq_Options_StreamExists:
		exp = expStreamExists
	}
	pos, err := s.remove(ctx, string(o.GetStreamIdentifier().GetStreamName()), exp, true)
	if err != nil {
		return nil, err
	}
	return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{Position: &streams.TombstoneResp_Position{CommitPosition: pos, PreparePosition: pos}}}, nil
}

// ---- Scavenge (not a gRPC method the client has; for tests) -------------------

// Scavenge removes what metadata and tombstones already hide, keeping the last
// event of each truncated stream and the tombstone itself, as the server does.
func (s *Server) Scavenge() (removed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	drop := map[*record]bool{}
	for name, st := range s.streams {
		vis := map[*record]bool{}
		for _, r := range s.visible(name) {
			vis[r] = true
		}
		for i, r := range st.events {
			keepLast := i == len(st.events)-1
			if !vis[r] && !keepLast {
				drop[r] = true
			}
		}
	}
	filter := func(in []*record) (out []*record) {
		for _, r := range in {
			if !drop[r] {
				out = append(out, r)
			}
		}
		return out
	}
	for _, st := range s.streams {
		st.events = filter(st.events)
	}
	s.log = filter(s.log)
	return len(drop)
}

// ---- Read ------------------------------------------------------------------

// visible applies $tb, $maxCount and $maxAge to a live stream (caller holds mu).
func (s *Server) visible(stream string) []*record {
	st := s.streams[stream]
	if st == nil || st.last == deletedStream {
		return nil
	}
	m := s.metaOf(stream)
	from := int64(0)
	if m.tb != nil {
		from = max(from, *m.tb)
	}
	if m.maxCount != nil {
		from = max(from, st.last-*m.maxCount+1)
	}
	var out []*record
	for _, r := range st.events {
		if r.number >= from && (m.maxAge == nil || s.Now().Sub(r.created) <= *m.maxAge) {
			out = append(out, r)
		}
	}
	return out
}

func (s *Server) resolve(r *record, links bool) (event, link *record) {
	if r.typ != "$>" || !links {
		return r, nil
	}
	parts := strings.SplitN(string(r.data), "@", 2) // "<number>@<stream>"
	if len(parts) == 2 {
		if n, err := strconv.ParseInt(parts[0], 10, 64); err == nil {
			for _, t := range s.visible(parts[1]) {
				if t.number == n {
					return t, r
				}
			}
		}
	}
	return nil, r // unresolved link: the event is absent
}

func (s *Server) wire(r *record) *streams.ReadResp_ReadEvent_RecordedEvent {
	if r == nil {
		return nil
	}
	md := map[string]string{"type": r.typ, "content-type": r.contentType}
	if !s.OmitCreated {
		md["created"] = strconv.FormatInt(r.created.UnixNano()/100, 10)
	}
	return &streams.ReadResp_ReadEvent_RecordedEvent{
		Id: wireUUID(r.id), StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(r.stream)},
		StreamRevision: uint64(r.number), PreparePosition: r.pos, CommitPosition: r.pos,
		Metadata: md, CustomMetadata: r.meta, Data: r.data,
	}
}

func (s *Server) eventResp(r *record, links bool) *streams.ReadResp {
	s.mu.Lock()
	ev, link := s.resolve(r, links)
	s.mu.Unlock()
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event: s.wire(ev), Link: s.wire(link),
		Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: r.pos},
	}}}
}

func (s *Server) Read(req *streams.ReadReq, ss streams.Streams_ReadServer) error {
	if s.OnRead != nil {
		s.OnRead(ss)
	}
	o := req.GetOptions()
	if o.GetUuidOption() == nil {
		return status.Error(codes.InvalidArgument, " `uuidOption` is a required argument")
	}
	allow := func(r *record) bool { return true }
	if o.GetAll() != nil {
		f, err := filterOf(o.GetFilter())
		if err != nil {
			return err
		}
		allow = f
	}
	_, sub := o.GetCountOption().(*streams.ReadReq_Options_Subscription)
	if sub {
		return s.subscribe(o, allow, ss)
	}
	if o.GetStream() != nil {
		return s.readStream(o, ss)
	}
	return s.readAll(o, allow, ss)
}

func (s *Server) readStream(o *streams.ReadReq_Options, ss streams.Streams_ReadServer) error {
	name := string(o.GetStream().GetStreamIdentifier().GetStreamName())
	s.mu.Lock()
	st := s.streams[name]
	deleted := st != nil && st.last == deletedStream
	gone := st == nil || s.softDeleted(name)
	vis := s.visible(name)
	s.mu.Unlock()
	if deleted {
		return errStreamDeleted(ss, name)
	}
	if gone {
		return ss.Send(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{StreamNotFound: &streams.ReadResp_StreamNotFound{
			StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(name)}}}})
	}
	back := o.GetReadDirection() == streams.ReadReq_Options_Backwards
	rev := o.GetStream().GetRevision()
	if _, ok := o.GetStream().GetRevisionOption().(*streams.ReadReq_Options_StreamOptions_End); ok {
		rev = endRevision
	}
	var n uint64
	for i := range vis {
		r := vis[i]
		if back {
			r = vis[len(vis)-1-i]
		}
		if (!back && uint64(r.number) < rev) || (back && uint64(r.number) > rev) {
			continue
		}
		if n >= o.GetCount() {
			break
		}
		n++
		if err := ss.Send(s.eventResp(r, o.GetResolveLinks())); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) readAll(o *streams.ReadReq_Options, allow func(*record) bool, ss streams.Streams_ReadServer) error {
	s.mu.Lock()
	snap := s.log[:len(s.log):len(s.log)]
	s.mu.Unlock()
	back := o.GetReadDirection() == streams.ReadReq_Options_Backwards
	pos := o.GetAll().GetPosition().GetCommitPosition()
	if _, ok := o.GetAll().GetAllOption().(*streams.ReadReq_Options_AllOptions_End); ok {
		pos = math.MaxUint64
	}
	var n uint64
	for i := range snap {
		r := snap[i]
		if back {
			r = snap[len(snap)-1-i]
		}
		// forwards: at or after pos; backwards: strictly before pos
		if (!back && r.pos < pos) || (back && r.pos >= pos) || !allow(r) {
			continue
		}
		if n >= o.GetCount() {
			break
		}
		n++
		if err := ss.Send(s.eventResp(r, o.GetResolveLinks())); err != nil {
			return err
		}
	}
	return nil
}

// ---- Subscriptions -----------------------------------------------------------

func (s *Server) subscribe(o *streams.ReadReq_Options, allow func(*record) bool, ss streams.Streams_ReadServer) error {
	var name string
	all := o.GetAll() != nil
	after := int64(-1) // last number (stream) or position ($all) already seen; subscriptions start AFTER it
	s.mu.Lock()
	if all {
		switch v := o.GetAll().GetAllOption().(type) {
		case *streams.ReadReq_Options_AllOptions_Position:
			after = int64(v.Position.CommitPosition)
		case *streams.ReadReq_Options_AllOptions_End:
			if n := len(s.log); n > 0 {
				after = int64(s.log[n-1].pos)
			}
		}
	} else {
		name = string(o.GetStream().GetStreamIdentifier().GetStreamName())
		switch v := o.GetStream().GetRevisionOption().(type) {
		case *streams.ReadReq_Options_StreamOptions_Revision:
			after = int64(v.Revision)
		case *streams.ReadReq_Options_StreamOptions_End:
			after = s.lastOf(name)
		}
	}
	s.mu.Unlock()
	_, fromEnd := o.GetAll().GetAllOption().(*streams.ReadReq_Options_AllOptions_End)

	if err := ss.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()}}}); err != nil {
		return err
	}
	f := o.GetFilter()
	window := f.GetMax()
	if window == 0 {
		window = 32 // Enumerator.ReadBatchSize
	}
	interval := uint64(f.GetCheckpointIntervalMultiplier()) * uint64(window)
	if f != nil && interval == 0 {
		return status.Error(codes.Unknown, "Exception was thrown by handler.")
	}
	var considered uint64
	checkpoint := func(pos int64) error {
		if f == nil || pos < 0 {
			return nil
		}
		return ss.Send(&streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: uint64(pos), PreparePosition: uint64(pos)}}})
	}
	caughtUp, first := false, true
	for {
		s.mu.Lock()
		wait := s.changed
		var batch []*record
		dead := false
		if all {
			batch = s.log[:len(s.log):len(s.log)]
		} else {
			batch = s.visible(name)
			if st := s.streams[name]; st != nil && st.last == deletedStream {
				dead = true
			}
		}
		s.mu.Unlock()
		if dead {
			return errStreamDeleted(ss, name)
		}
		for _, r := range batch {
			key := r.number
			if all {
				key = int64(r.pos)
			}
			if key <= after {
				continue
			}
			after = key
			if all && !systemAllowed(r.stream) {
				continue
			}
			considered++
			if allow(r) {
				if err := ss.Send(s.eventResp(r, o.GetResolveLinks())); err != nil {
					return err
				}
			}
			if f != nil && considered%interval == 0 {
				if err := checkpoint(after); err != nil {
					return err
				}
			}
		}
		if !caughtUp {
			if !(first && fromEnd) {
				if err := checkpoint(after); err != nil { // one checkpoint is always sent on going live
					return err
				}
			}
			if err := ss.Send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}}); err != nil {
				return err
			}
			caughtUp, first = true, false
		}
		select {
		case <-wait:
		case <-ss.Context().Done():
			return status.FromContextError(ss.Context().Err()).Err()
		}
	}
}

func systemAllowed(stream string) bool { return stream != "$epoch-information" }

func filterOf(f *streams.ReadReq_Options_FilterOptions) (func(*record) bool, error) {
	if f == nil {
		return func(*record) bool { return true }, nil
	}
	expr, field := f.GetStreamIdentifier(), func(r *record) string { return r.stream }
	if expr == nil {
		expr, field = f.GetEventType(), func(r *record) string { return r.typ }
	}
	if expr == nil {
		return nil, status.Error(codes.InvalidArgument, "not a valid FilterOptions")
	}
	if expr.GetRegex() != "" {
		re, err := regexp.Compile(expr.GetRegex()) // RE2, not .NET: the usual "^[^\\$].*" works in both
		if err != nil {
			return nil, status.Error(codes.Unknown, err.Error())
		}
		return func(r *record) bool { return re.MatchString(field(r)) }, nil
	}
	return func(r *record) bool {
		for _, p := range expr.GetPrefix() {
			if strings.HasPrefix(field(r), p) {
				return true
			}
		}
		return false
	}, nil
}

// ---- uuids -------------------------------------------------------------------

func wireUUID(id uuid.UUID) *shared.UUID {
	var hi, lo uint64
	for i := range 8 {
		hi = hi<<8 | uint64(id[i])
		lo = lo<<8 | uint64(id[8+i])
	}
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{MostSignificantBits: int64(hi), LeastSignificantBits: int64(lo)}}}
}

func fromWire(u *shared.UUID) uuid.UUID {
	if st := u.GetStructured(); st != nil {
		var id uuid.UUID
		for i := range 8 {
			id[i] = byte(uint64(st.MostSignificantBits) >> (56 - 8*i))
			id[8+i] = byte(uint64(st.LeastSignificantBits) >> (56 - 8*i))
		}
		return id
	}
	id, _ := uuid.Parse(u.GetString_())
	return id
}

// SelfSigned makes a throw-away server certificate for one IP.
func SelfSigned(ip string) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.ParseIP(ip)}}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"}}
}
