// Package podnet gives pods their network: an address from the node's part of
// the VPC, a network namespace, and a veth pair between that and the node.
// There is no bridge: as with the VPC CNI, every pod has a /32 and a route,
// and its packets pass the node's forwarding path and so kube-proxy's rules.
// Package cri calls it for every pod sandbox.
package podnet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// LinkPrefix begins the name of the node's end of every pod's veth pair, as it
// does under the VPC CNI. kube-proxy tells local pods by it.
const LinkPrefix = "eni"

// gateway is the pods' next hop; no packet carries it (the VPC CNI's address).
var gateway = netip.MustParseAddr("169.254.1.1")

// The two ends of every veth pair have fixed addresses, so that neither side
// ever waits for ARP.
var (
	nodeMAC = net.HardwareAddr{0x02, 0xd0, 0, 0, 0, 1}
	podMAC  = net.HardwareAddr{0x02, 0xd0, 0, 0, 0, 2}
)

// Masquerading gives connections of several clients the same source address and a random source port, so now
// and then a new connection meets one in TIME_WAIT with the same four numbers. It is let in if its TCP timestamp
// is the later one, which between different clients is chance, as each connection's timestamps begin at a random
// offset (value 1): refused twice, a connection takes 1.04 s, the time until its SYN is sent again. With value 2
// there is no offset, and since all clients here run on one clock, the new one is always later.
const (
	timestampsKey = "net/ipv4/tcp_timestamps"
	timestamps    = "2"
)

// podSysctls are set in a pod's network: any user may take any port there, as containerd has it.
var podSysctls = map[string]string{timestampsKey: timestamps, "net/ipv4/ip_unprivileged_port_start": "0"}

// Network connects the pods of one node.
type Network struct {
	pool  *Pool
	mtu   int
	ports hostPorts
}

// New makes the network of the node whose uplink is the link named uplink. It
// drops what is sent to a pod address that no pod has, as the VPC does, and
// lets the node forward.
func New(uplink string, pool *Pool) (*Network, error) {
	link, err := netlink.LinkByName(uplink)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", uplink, err)
	}
	if err := setSysctl("net/ipv4/ip_forward", "1"); err != nil {
		return nil, err
	}
	if err := setSysctl(timestampsKey, timestamps); err != nil {
		return nil, err
	}
	blackhole := &netlink.Route{Dst: ipNet(pool.prefix), Type: unix.RTN_BLACKHOLE}
	if err := netlink.RouteReplace(blackhole); err != nil {
		return nil, fmt.Errorf("drop traffic to absent pods of %s: %w", pool.prefix, err)
	}
	return &Network{pool: pool, mtu: link.Attrs().MTU, ports: hostPorts{pods: map[netip.Addr][]HostPort{}}}, nil
}

// Pod is one pod's end of the network.
type Pod struct {
	Addr netip.Addr
	ns   *os.File
	link string
}

// Add connects a new pod; owner is any name that no other pod has.
func (n *Network) Add(owner string) (_ *Pod, err error) {
	addr, err := n.pool.Take(owner)
	if err != nil {
		return nil, err
	}
	pod := &Pod{Addr: addr, link: linkName(owner)}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Remove(pod))
		}
	}()
	if pod.ns, err = newNamespace(); err != nil {
		return nil, err
	}
	if err := n.plug(pod); err != nil {
		return nil, fmt.Errorf("connect pod %s: %w", addr, err)
	}
	return pod, nil
}

// Remove takes the pod off the network and puts its address to rest.
func (n *Network) Remove(pod *Pod) error {
	err := unplug(pod.link)
	if pod.ns != nil {
		err = errors.Join(err, pod.ns.Close())
	}
	return errors.Join(err, n.pool.Release(pod.Addr))
}

func unplug(name string) error {
	link, err := netlink.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	if err := netlink.LinkDel(link); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// plug makes the veth pair, first the pod's end, so that the node has no route
// to an address that cannot answer yet.
func (n *Network) plug(pod *Pod) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = pod.link, n.mtu, nodeMAC
	veth := &netlink.Veth{
		LinkAttrs:        attrs,
		PeerName:         "eth0",
		PeerHardwareAddr: podMAC,
		PeerMTU:          uint32(n.mtu),
		PeerNamespace:    netlink.NsFd(int(pod.ns.Fd())),
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("make the veth pair: %w", err)
	}
	if err := pod.Do(pod.configure); err != nil {
		return fmt.Errorf("configure its end: %w", err)
	}
	link, err := netlink.LinkByName(pod.link)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	if err := netlink.NeighSet(neighbour(link, pod.Addr, podMAC)); err != nil {
		return fmt.Errorf("fix its hardware address: %w", err)
	}
	route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: hostNet(pod.Addr), Scope: netlink.SCOPE_LINK}
	return netlink.RouteReplace(route)
}

// configure sets up the pod's own end; it runs inside the pod's network.
func (p *Pod) configure() error {
	for _, name := range []string{"lo", "eth0"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
	}
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: hostNet(p.Addr)}); err != nil {
		return err
	}
	if err := netlink.NeighSet(neighbour(link, gateway, nodeMAC)); err != nil {
		return err
	}
	index := link.Attrs().Index
	direct := &netlink.Route{LinkIndex: index, Dst: hostNet(gateway), Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteAdd(direct); err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: index, Gw: gateway.AsSlice()})
}

// Do runs fn on a thread inside the pod's network namespace; see OnThread.
func (p *Pod) Do(fn func() error) error {
	return OnThread(func() error {
		if err := unix.Setns(int(p.ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the pod's network: %w", err)
		}
		return fn()
	})
}

// linkName is unique to the owner and fits into the 15 characters of a link's name.
func linkName(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return LinkPrefix + hex.EncodeToString(sum[:])[:11]
}

func neighbour(link netlink.Link, addr netip.Addr, mac net.HardwareAddr) *netlink.Neigh {
	return &netlink.Neigh{
		LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: addr.AsSlice(), HardwareAddr: mac,
	}
}

func hostNet(addr netip.Addr) *net.IPNet { return ipNet(netip.PrefixFrom(addr, addr.BitLen())) }

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func setSysctl(key, value string) error {
	if err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0o644); err != nil {
		return fmt.Errorf("set %s to %s: %w", key, value, err)
	}
	return nil
}
