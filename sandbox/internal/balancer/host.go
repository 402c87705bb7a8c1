package balancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Host is the network of this process: addresses of load balancers are /32s on
// one link.
type Host struct {
	Link string // eks0
}

// Claim puts the address on the link; one that is there already is fine, since
// it may be left from an earlier process.
func (h Host) Claim(ip netip.Addr) error {
	link, err := netlink.LinkByName(h.Link)
	if err != nil {
		return fmt.Errorf("find link %s: %w", h.Link, err)
	}
	return netlink.AddrReplace(link, hostAddr(ip))
}

// Release takes the address off the link.
func (h Host) Release(ip netip.Addr) error {
	link, err := netlink.LinkByName(h.Link)
	if err != nil {
		return fmt.Errorf("find link %s: %w", h.Link, err)
	}
	err = netlink.AddrDel(link, hostAddr(ip))
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil
	}
	return err
}

func hostAddr(ip netip.Addr) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(32, 32)}}
}

// Listen opens a listener. The backlog is the namespace's net.core.somaxconn.
func (h Host) Listen(ip netip.Addr, port int) (*net.TCPListener, error) {
	return net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(port))))
}

// Dial connects from the balancer's own address. The local port is chosen only
// when the target is known, so that the same port can serve several targets at
// once: otherwise the ephemeral ports of one address would be all there are.
func (h Host) Dial(ctx context.Context, from netip.Addr, to netip.AddrPort) (*net.TCPConn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Control: bindLate}
	conn, err := d.DialContext(ctx, "tcp4", to.String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

func bindLate(_, _ string, raw syscall.RawConn) error {
	var err error
	if cerr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	}); cerr != nil {
		return cerr
	}
	return err
}
