package podnet

import (
	"context"
	"fmt"
	"net/netip"
	"sync"

	"sigs.k8s.io/knftables"
)

// HostPort leads a port of the node to one of a pod.
type HostPort struct {
	Protocol string     // tcp or udp
	Node     int        // the node's port
	Address  netip.Addr // of the node; invalid or unspecified: all of them
	Pod      int        // the pod's port
}

// hostPorts keeps the node's rules for host ports: those of the portmap plugin
// of CNI, in a table of their own beside kube-proxy's. They are few, so each
// change writes all of them anew, in one transaction.
type hostPorts struct {
	mu   sync.Mutex
	pods map[netip.Addr][]HostPort
}

const (
	hostPortTable = "drover-hostports"
	toPods        = "to-pods"
	fromPods      = "from-pods"
)

// entries are the chains that packets come in by: from other machines and pods,
// and from the node itself. They come before kube-proxy's.
var entries = map[string]knftables.BaseChainHook{"prerouting": knftables.PreroutingHook, "output": knftables.OutputHook}

// Publish leads host ports to the pod; none takes them away.
func (n *Network) Publish(ctx context.Context, pod *Pod, ports []HostPort) error {
	n.ports.mu.Lock()
	defer n.ports.mu.Unlock()
	if len(ports) == len(n.ports.pods[pod.Addr]) && len(ports) == 0 {
		return nil
	}
	if len(ports) == 0 {
		delete(n.ports.pods, pod.Addr)
	} else {
		n.ports.pods[pod.Addr] = ports
	}
	if err := n.ports.write(ctx); err != nil {
		return fmt.Errorf("lead the node's ports to pod %s: %w", pod.Addr, err)
	}
	return nil
}

func (h *hostPorts) write(ctx context.Context) error {
	nft, err := knftables.New(knftables.IPv4Family, hostPortTable)
	if err != nil {
		return err
	}
	tx := nft.NewTransaction()
	tx.Add(&knftables.Table{})
	for _, chain := range []string{toPods, fromPods} {
		tx.Add(&knftables.Chain{Name: chain})
		tx.Flush(&knftables.Chain{Name: chain})
	}
	for name, hook := range entries {
		tx.Add(&knftables.Chain{Name: name, Type: knftables.PtrTo(knftables.NATType), Hook: knftables.PtrTo(hook),
			Priority: knftables.PtrTo(knftables.DNATPriority + "-1")})
		tx.Flush(&knftables.Chain{Name: name})
		tx.Add(&knftables.Rule{Chain: name, Rule: "fib daddr type local jump " + toPods})
	}
	post := &knftables.Chain{Name: "postrouting", Type: knftables.PtrTo(knftables.NATType),
		Hook: knftables.PtrTo(knftables.PostroutingHook), Priority: knftables.PtrTo(knftables.SNATPriority)}
	tx.Add(post)
	tx.Flush(post)
	tx.Add(&knftables.Rule{Chain: post.Name, Rule: "ct status dnat jump " + fromPods})
	for pod, ports := range h.pods {
		for _, p := range ports {
			tx.Add(&knftables.Rule{Chain: toPods, Rule: p.rule(pod)})
		}
		// A pod that reaches itself by the node would answer itself directly.
		tx.Add(&knftables.Rule{Chain: fromPods, Rule: knftables.Concat("ip saddr", pod, "ip daddr", pod, "masquerade")})
	}
	return nft.Run(ctx, tx)
}

func (p HostPort) rule(pod netip.Addr) string {
	to := netip.AddrPortFrom(pod, uint16(p.Pod))
	rule := knftables.Concat(p.Protocol, "dport", p.Node, "dnat to", to)
	if p.Address.IsValid() && !p.Address.IsUnspecified() {
		return knftables.Concat("ip daddr", p.Address, rule)
	}
	return rule
}
