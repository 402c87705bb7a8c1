// Package coredns is CoreDNS itself, with the plugins that the Corefile of EKS
// names, and those that people add to it most. It is linked into drover-sandbox
// instead of drover-sandbox-pod, as it brings a client of Kubernetes along that
// the one has and every other container would have to carry.
package coredns

import (
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/cache" // the plugins, by their names in a Corefile
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/rewrite"
)

// Run is the program coredns, with the arguments of the process. It ends it.
func Run() { coremain.Run() }
