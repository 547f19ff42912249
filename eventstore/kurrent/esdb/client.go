package esdb

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
)

// maxPause is the longest pause between two attempts of a call, on average.
const maxPause = 250 * time.Millisecond

// Client speaks to one server or cluster. It may be used by any number of
// goroutines, and has to be closed.
type Client struct {
	cfg    Config
	dial   []grpc.DialOption
	closed chan struct{}
	links  atomic.Uint64 // see Connection
	slots  chan struct{} // one is taken by each write under way

	mu      sync.Mutex
	shut    bool
	current *node
	nodes   map[*node]struct{} // the current one, and those with calls under way
	members []string           // addresses that gossip has named, besides the seeds
	search  *search            // the one under way, or just over
	work    sync.WaitGroup     // the goroutine of the search
}

// New returns a client, without connecting. It fails if the configuration
// cannot work, or if a file that it names cannot be read.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	dial, err := dialOptions(cfg)
	if err != nil {
		return nil, err
	}
	return &Client{
		cfg: cfg, dial: dial, closed: make(chan struct{}), slots: make(chan struct{}, cfg.MaxWrites), nodes: map[*node]struct{}{},
	}, nil
}

func dialOptions(cfg Config) ([]grpc.DialOption, error) {
	transport := insecure.NewCredentials()
	if cfg.TLS {
		t, err := cfg.tlsConfig()
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(t)
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceiveBytes)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxPause},
			MinConnectTimeout: cfg.ConnectTimeout,
		}),
		grpc.WithDisableServiceConfig(), // retries are decided here, not by DNS
		grpc.WithNoProxy(),
		grpc.WithIdleTimeout(0),
	}
	if cfg.KeepAliveInterval > 0 {
		opts = append(opts, grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time:                cfg.KeepAliveInterval,
			Timeout:             max(cfg.KeepAliveTimeout, 0), // 0 is grpc's default
			PermitWithoutStream: true,
		}))
	}
	if cfg.User != "" {
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(cfg.User+":"+cfg.Password))
		opts = append(opts, grpc.WithPerRPCCredentials(login(basic)))
	}
	return opts, nil
}

// login is the header that says who calls. It is never sent in the clear.
type login string

// GetRequestMetadata returns the header.
func (l login) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": string(l)}, nil
}

// RequireTransportSecurity returns true.
func (login) RequireTransportSecurity() bool { return true }

// Close ends all calls with [ErrClosed], and leaves no goroutine behind. It may
// be called at any time, and again.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.shut {
		c.mu.Unlock()
		c.work.Wait()
		return nil
	}
	c.shut = true
	close(c.closed)
	if c.search != nil {
		c.search.cancel()
	}
	nodes := c.nodes
	c.nodes, c.current = map[*node]struct{}{}, nil
	c.mu.Unlock()
	var errs []error
	for n := range nodes {
		errs = append(errs, n.conn.Close())
	}
	c.work.Wait()
	return errors.Join(errs...)
}

func (c *Client) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// call makes a call that is safe to repeat, on the leader, until it is answered
// or the context ends. An error that ends it says why the last attempt failed,
// and is also that of the context.
func (c *Client) call(ctx context.Context, do func(context.Context, *node) error) error {
	var last error
	for attempt := 0; ; attempt++ {
		err := c.try(ctx, do)
		switch {
		case errors.Is(err, ErrUnavailable), errors.Is(err, ErrNotLeader):
			last = err
		case last != nil && ctx.Err() != nil && isTransient(err):
			return c.ended(ctx, last) // which tells more
		default:
			return err
		}
		if e, ok := errors.AsType[*notLeader](err); ok && e.leader != "" && attempt == 0 {
			continue // there is somebody else to ask
		}
		if !c.pause(ctx, attempt, maxPause) {
			return c.ended(ctx, err)
		}
	}
}

// write is call for writes, of which only so many are under way at a time. The
// others wait here: servers take 100 calls on a connection, and a connection
// that breaks with more of them waiting inside takes long to let go of them.
func (c *Client) write(ctx context.Context, do func(context.Context, *node) error) error {
	return c.call(ctx, func(ctx context.Context, n *node) error {
		select {
		case c.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.closed:
			return ErrClosed
		}
		defer func() { <-c.slots }()
		return do(ctx, n)
	})
}

// try makes one attempt, and draws the conclusions for those that follow.
func (c *Client) try(ctx context.Context, do func(context.Context, *node) error) error {
	n, err := c.acquire(ctx)
	if err != nil {
		return err
	}
	defer c.release(n)
	return c.conclude(ctx, n, do(c.outgoing(ctx), n))
}

// conclude says what an error means to the caller, and to the connection. An
// answer of the server is an answer, also when it comes too late.
func (c *Client) conclude(ctx context.Context, n *node, err error) error {
	switch {
	case !isTransient(err):
		return err
	case c.isClosed():
		return ErrClosed
	case ctx.Err() != nil:
		c.doubt(ctx, n)
		if n.conn.GetState() != connectivity.Ready {
			err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return c.ended(ctx, err)
	case errors.Is(err, ErrNotLeader):
		leader := ""
		if e, ok := errors.AsType[*notLeader](err); ok {
			leader = e.leader
		}
		c.redirect(n, leader)
	case errors.Is(err, context.Canceled): // not by us: the server is going away
		err = fmt.Errorf("%w: %v", ErrUnavailable, err) //nolint:errorlint // it must not look as if the caller had given up
		c.suspect(n)
	case errors.Is(err, ErrUnavailable):
		c.suspect(n)
	}
	return err
}

// isTransient says whether an error is about the way to the server, or about
// who it is, and not about what was asked.
func isTransient(err error) bool {
	for _, target := range []error{ErrUnavailable, ErrNotLeader, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// ended is the error of a call that was given up: because of the context, or
// because the client was closed.
func (c *Client) ended(ctx context.Context, err error) error {
	switch over := contextError(ctx); {
	case over == nil && c.isClosed():
		return ErrClosed
	case over == nil || errors.Is(err, over):
		return err
	case errors.Is(over, ctx.Err()):
		return fmt.Errorf("%w: %w", over, err)
	default: // a deadline of ours, which must not look as if the caller had given up
		return fmt.Errorf("%w: %v", over, err) //nolint:errorlint // on purpose
	}
}

// pause waits before the next attempt, longer each time, and says whether there
// should be one.
func (c *Client) pause(ctx context.Context, attempt int, limit time.Duration) bool {
	wait := min(10*time.Millisecond<<min(attempt, 10), limit)
	timer := time.NewTimer(wait/2 + rand.N(wait)) //nolint:gosec // jitter
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-c.closed:
		return false
	}
}

// bounded gives a context the default deadline if it has none.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.cfg.DefaultDeadline)
}

// outgoing asks for the leader: another node would forward writes, and answer
// reads from what it happens to have.
func (c *Client) outgoing(ctx context.Context) context.Context {
	ctx = metadata.AppendToOutgoingContext(ctx, "requires-leader", "true")
	if c.cfg.ConnectionName != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "connection-name", c.cfg.ConnectionName)
	}
	return ctx
}
