package balancer

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// dialTimeout bounds the connection to a target. AWS does not document its own.
const dialTimeout = 10 * time.Second

// connection is one client's connection and the one to its target.
type connection struct {
	client, target *net.TCPConn
	near, far      net.Conn // the same, or TLS over it
	once           sync.Once
}

func (c *connection) close() {
	c.once.Do(func() {
		_ = c.client.Close()
		_ = c.target.Close()
	})
}

func (b *Balancer) accept(ctx context.Context, l *listener) {
	for {
		client, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			b.log.Warn("accept", "err", err) // out of file descriptors: wait for some to be closed
			if !sleepUntil(ctx, time.Now().Add(10*time.Millisecond)) {
				return
			}
			continue
		}
		b.start(func(ctx context.Context) { b.serve(ctx, client, l) })
	}
}

// serve carries one client's connection to a target and back until both sides
// are done.
func (b *Balancer) serve(ctx context.Context, client *net.TCPConn, l *listener) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	near, err := b.near(ctx, client, l)
	if err != nil {
		b.log.Debug("client does not shake hands", "client", client.RemoteAddr(), "err", err)
		_ = client.Close()
		return
	}
	t := b.pick(client.RemoteAddr())
	if t == nil {
		_ = client.Close()
		return
	}
	defer b.release(t)
	c := &connection{client: client, near: near}
	if err := b.reach(ctx, t, l, c); err != nil {
		b.log.Debug("target does not answer", "instance", t.id, "err", err)
		_ = client.Close()
		return
	}
	if !b.track(t, c) {
		c.close()
		return
	}
	defer b.untrack(t, c)
	c.pipe()
}

// near is what a client says, without its TLS if that ends here.
func (b *Balancer) near(ctx context.Context, client *net.TCPConn, l *listener) (net.Conn, error) {
	b.mu.Lock()
	front := b.spec.Fronts[l.port]
	b.mu.Unlock()
	if front == nil {
		return client, nil
	}
	return front.greet(ctx, client)
}

// reach connects to the target, in the way that it is spoken to.
func (b *Balancer) reach(ctx context.Context, t *target, l *listener, c *connection) (err error) {
	b.mu.Lock()
	to := netip.AddrPortFrom(t.spec.IP, uint16(cmp.Or(t.spec.Port, l.instancePort)))
	from, proxied, behind := b.ip, b.check.Proxy, b.spec.Behind
	b.mu.Unlock()
	if c.target, err = b.net.Dial(ctx, from, to); err != nil {
		return err
	}
	c.far = c.target
	if proxied {
		_, err = c.target.Write(proxyHeader(c.client.RemoteAddr(), c.client.LocalAddr()))
	}
	if err == nil && behind {
		c.far, err = meet(ctx, c.target, c.near)
	}
	if err != nil {
		_ = c.target.Close()
	}
	return err
}

// track makes a connection known, so that it can be cut; false if its target
// is gone already.
func (b *Balancer) track(t *target, c *connection) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.targets[t.id] != t && !b.spec.Flows {
		return false
	}
	if b.targets[t.id] != t {
		b.loose[c] = struct{}{}
	}
	t.conns[c] = struct{}{}
	return true
}

func (b *Balancer) untrack(t *target, c *connection) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(t.conns, c)
	delete(b.loose, c)
}

// pipe copies both ways; the end of one direction is passed on as a half-close.
// Between TCP connections io.Copy moves the data inside the kernel.
func (c *connection) pipe() {
	defer c.close()
	var wg sync.WaitGroup
	wg.Go(func() { c.copy(c.far, c.near) })
	c.copy(c.near, c.far)
	wg.Wait()
}

func (c *connection) copy(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		c.close()
		return
	}
	_ = to.(interface{ CloseWrite() error }).CloseWrite() // TCP and TLS have it
}

// reapIdle closes connections on which no data has come for the idle timeout.
// The kernel knows when data last came, so that copying needs no clock.
func (b *Balancer) reapIdle(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		b.mu.Lock()
		var open []*connection
		idle := b.spec.Idle
		open = slices.AppendSeq(open, maps.Keys(b.loose))
		for _, t := range b.targets {
			for c := range t.conns {
				open = append(open, c)
			}
		}
		b.mu.Unlock()
		for _, c := range open {
			if idle > 0 && c.quiet() > idle {
				c.close()
			}
		}
	}
}

// quiet is how long no data has come from either side.
func (c *connection) quiet() time.Duration {
	return min(lastData(c.client), lastData(c.target))
}

func lastData(conn *net.TCPConn) (d time.Duration) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			d = time.Duration(info.Last_data_recv) * time.Millisecond
		}
	})
	return d
}
