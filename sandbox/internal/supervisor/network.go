package supervisor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/droverhq/drover/sandbox/internal/machine"
)

// The supervisor's network namespace is the VPC's router. Its own addresses
// are on a link that leads nowhere; the AWS endpoint adds those of load
// balancers. It is one end of a veth pair, as not every kernel has dummy links.
const (
	routerLink = "eks0"
	routerPeer = "eks0-end"
	APIAddress = "100.64.0.1"      // the API server, seen from nodes; from the range that AWS lends to EKS
	dnsAddress = "169.254.169.253" // the VPC's resolver
)

// vpcRanges is where VPCs lie (RFC 1918). What goes to an address in them that
// nobody has is swallowed by the router's link: a VPC drops it without a word.
var vpcRanges = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}

// setupRouter makes the network namespace the VPC's router.
func setupRouter() error {
	if err := sysctls(map[string]string{
		"net/ipv4/ip_forward":             "1",
		"net/ipv4/conf/all/rp_filter":     "0",
		"net/ipv4/conf/default/rp_filter": "0",
		// Load tests run here and open many connections.
		"net/ipv4/ip_local_port_range": "10240 65535",
		"net/ipv4/tcp_tw_reuse":        "1",
		// Timestamps without a random offset for each connection: behind a masquerade
		// that takes up another connection's port, those run backwards, and the
		// receiver drops the SYN (PAWS). One retry is 1 s, two are 3 s.
		"net/ipv4/tcp_timestamps": "2",
	}); err != nil {
		return err
	}
	if err := linkUp("lo"); err != nil {
		return err
	}
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: routerLink}, PeerName: routerPeer}
	if err := netlink.LinkAdd(link); err != nil {
		return fmt.Errorf("add link %s: %w", routerLink, err)
	}
	// Without ARP every packet leaves at once, addressed to nobody at the other end.
	if err := netlink.LinkSetARPOff(link); err != nil {
		return fmt.Errorf("set link %s noarp: %w", routerLink, err)
	}
	for _, address := range []string{APIAddress, dnsAddress} {
		if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: host(address)}); err != nil {
			return fmt.Errorf("add address %s: %w", address, err)
		}
	}
	for _, name := range []string{routerLink, routerPeer} {
		if err := linkUp(name); err != nil {
			return err
		}
	}
	for _, cidr := range vpcRanges {
		_, dst, err := net.ParseCIDR(cidr)
		if err != nil {
			return err
		}
		if err := addRoute(link, &netlink.Route{Dst: dst, Scope: netlink.SCOPE_LINK}); err != nil {
			return err
		}
	}
	return nil
}

// connect links a machine, whose process has a network namespace of its own,
// to the router.
func connect(m machine.Machine, pid, pidfd int) error {
	if err := disconnect(m.ID); err != nil {
		return err
	}
	_, pods, err := net.ParseCIDR(m.PodCIDR)
	if err != nil {
		return fmt.Errorf("pod range of %s: %w", m.ID, err)
	}
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: linkName(m.ID)},
		PeerName:      "eth0",
		PeerNamespace: netlink.NsPid(pid),
	}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("add link %s: %w", veth.Name, err)
	}
	// The machine's end comes first: once the router's end is up, packets arrive.
	if err := inNetwork(pidfd, func() error { return setupMachine(m, pods) }); err != nil {
		return err
	}
	return open(m, veth, pods)
}

// open sets the router's end of a machine's link up, and leads to it.
func open(m machine.Machine, link netlink.Link, pods *net.IPNet) error {
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set link %s up: %w", linkName(m.ID), err)
	}
	address := host(m.PrivateIP)
	if err := addRoute(link, &netlink.Route{
		Dst: address, Scope: netlink.SCOPE_LINK, Src: net.ParseIP(APIAddress),
	}); err != nil {
		return err
	}
	return addRoute(link, &netlink.Route{Dst: pods, Gw: address.IP, Src: net.ParseIP(APIAddress)})
}

// setupMachine makes the current network namespace that of a machine.
func setupMachine(m machine.Machine, pods *net.IPNet) error {
	if err := sysctls(map[string]string{
		"net/ipv4/ip_forward":             "1",
		"net/ipv4/conf/all/rp_filter":     "0",
		"net/ipv4/conf/default/rp_filter": "0",
	}); err != nil {
		return err
	}
	if err := linkUp("lo"); err != nil {
		return err
	}
	eth0, err := netlink.LinkByName("eth0")
	if err != nil {
		return fmt.Errorf("find eth0 of %s: %w", m.ID, err)
	}
	if err := netlink.AddrAdd(eth0, &netlink.Addr{IPNet: host(m.PrivateIP)}); err != nil {
		return fmt.Errorf("add address %s: %w", m.PrivateIP, err)
	}
	if err := netlink.LinkSetUp(eth0); err != nil {
		return fmt.Errorf("set eth0 of %s up: %w", m.ID, err)
	}
	router := host(APIAddress)
	if err := addRoute(eth0, &netlink.Route{Dst: router, Scope: netlink.SCOPE_LINK}); err != nil {
		return err
	}
	if err := addRoute(eth0, &netlink.Route{Dst: anywhere(), Gw: router.IP}); err != nil {
		return err
	}
	// What is sent to a pod that is gone must not follow the default route back to the router, and round again.
	if err := netlink.RouteAdd(&netlink.Route{Dst: pods, Type: unix.RTN_BLACKHOLE}); err != nil {
		return fmt.Errorf("add blackhole route %s: %w", pods, err)
	}
	return nil
}

// cut takes a machine's link down: from now on no packet reaches or leaves it.
func cut(id string) error {
	link, err := netlink.LinkByName(linkName(id))
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return netlink.LinkSetDown(link)
}

// mend undoes cut. The kernel has dropped the routes over the link meanwhile.
func mend(m machine.Machine) error {
	link, err := netlink.LinkByName(linkName(m.ID))
	if gone(err) {
		return nil // it will be connected when it starts
	}
	if err != nil {
		return err
	}
	_, pods, err := net.ParseCIDR(m.PodCIDR)
	if err != nil {
		return err
	}
	return open(m, link, pods)
}

// disconnect removes a machine's link and with it the routes over it.
func disconnect(id string) error {
	link, err := netlink.LinkByName(linkName(id))
	if gone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove link %s: %w", linkName(id), err)
	}
	return nil
}

func gone(err error) bool {
	var notFound netlink.LinkNotFoundError
	return errors.As(err, &notFound)
}

// linkName is the router's end of a machine's link. A link's name has at most
// 15 characters, which leaves the last 52 of the 68 bits of an instance ID.
func linkName(id string) string {
	digits := id[len("i-"):]
	return "m-" + digits[max(0, len(digits)-13):]
}

func addRoute(link netlink.Link, route *netlink.Route) error {
	route.LinkIndex = link.Attrs().Index
	if route.Gw != nil {
		route.Flags |= int(netlink.FLAG_ONLINK) // the gateway is on no network of the link's
	}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("add route %s on %s: %w", route.Dst, link.Attrs().Name, err)
	}
	return nil
}

func linkUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("set link %s up: %w", name, err)
	}
	return nil
}

func host(address string) *net.IPNet {
	return &net.IPNet{IP: net.ParseIP(address).To4(), Mask: net.CIDRMask(32, 32)}
}

func anywhere() *net.IPNet {
	return &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
}

func sysctls(values map[string]string) error {
	for key, value := range values {
		if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0o644); err != nil {
			return fmt.Errorf("set a kernel parameter: %w", err)
		}
	}
	return nil
}

// inNetwork calls f in the network namespace of a process.
func inNetwork(pidfd int, f func() error) error {
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// This thread's namespaces are what others see as the process's own: use another one.
			err := inNetwork(pidfd, f)
			runtime.UnlockOSThread()
			ended <- err
			return
		}
		// The thread stays locked: it ends with the goroutine and takes the namespace along.
		if err := unix.Setns(pidfd, unix.CLONE_NEWNET); err != nil {
			ended <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		ended <- f()
	}()
	return <-ended
}
