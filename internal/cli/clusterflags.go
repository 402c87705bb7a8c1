package cli

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/droverhq/drover/move"
	"github.com/droverhq/drover/problem"
)

// What the commands have in common that work on a cluster without a stack.

// access adds the flags that say which cluster.
func access(f *pflag.FlagSet, a *move.Access) {
	f.StringVar(&a.Context, "context", "", "the kubeconfig `context` of the cluster")
	f.StringVar(&a.Kubeconfig, "kubeconfig", "", "the kubeconfig `file` (default: kubectl's)")
}

// setFlags are sets as they are written.
type setFlags struct{ From, To []string }

func (s *setFlags) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&s.From, "from", nil, "the nodes to be emptied: a `SET`; may be repeated")
	f.StringArrayVar(&s.To, "to", nil, "the nodes where the pods shall go: a `SET`; may be repeated (default: wherever else)")
}

// parse reads all of them and reports every mistake.
func (s *setFlags) parse(o *move.Options) error {
	var wrong problem.List
	read := func(texts []string, to *[]move.Set) {
		*to = nil
		for _, text := range texts {
			set, err := move.ParseSet(text)
			var p *problem.Error
			if errors.As(err, &p) {
				wrong = append(wrong, p)
				continue
			}
			*to = append(*to, set)
		}
	}
	read(s.From, &o.From)
	read(s.To, &o.To)
	return wrong.Err()
}

// only adds the flags that narrow a move to some pods.
func only(f *pflag.FlagSet, o *move.Only) {
	f.StringArrayVar(&o.Workloads, "workload", nil, "move only this `workload` (deployment/apps/nginx, deployment/nginx or nginx); may be repeated")
	f.StringArrayVarP(&o.Namespaces, "namespace", "n", nil, "move only what runs in this `namespace`; may be repeated")
}

// times adds the flags about how long is waited.
func times(f *pflag.FlagSet, o *move.Options) {
	f.DurationVar(&o.Settle, "settle", 0, "how long those who send to a pod are given at the least before it ends")
	f.DurationVar(&o.BalancerSettle, "balancer-settle", 0, "how long a load balancer that cannot be asked is given to let go of a node, or to send through a new one (default 7m)")
}

func timeout(f *pflag.FlagSet, o *move.Options) {
	f.DurationVar(&o.Timeout, "timeout", 0, "give up so long after it has begun, and open the nodes again; 0: never")
}

// guardFlags make guards of URLs; what they say holds for all of them.
type guardFlags struct {
	URLs      []string
	Host      string
	Method    string
	Headers   []string
	Body      string
	Rate      string
	Expect    string
	Statuses  []int
	P99       string
	MaxErrors int
	Timeout   time.Duration
	OnBreach  string
}

func (g *guardFlags) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&g.URLs, "guard", nil, "probe this `URL` all along, and stop when traffic suffers; may be repeated")
	f.StringVar(&g.Host, "guard-host", "", "`Host` header of the probes")
	f.StringVar(&g.Method, "guard-method", "", "HTTP `method` of the probes (default GET)")
	f.StringArrayVar(&g.Headers, "guard-header", nil, "a `header` of the probes, as in 'Accept: text/html'; may be repeated")
	f.StringVar(&g.Body, "guard-body", "", "`body` of the probes")
	f.StringVar(&g.Rate, "guard-rate", "50/s", "`rate` of each guard's probes")
	f.StringVar(&g.Expect, "guard-expect", "", "`regexp` that every answer must match")
	f.IntSliceVar(&g.Statuses, "guard-status", nil, "expected statuses (default 200)")
	f.StringVar(&g.P99, "guard-p99", "", "most `time` that 99 % of answers may take: 500ms, or 3x what it was before the move")
	f.IntVar(&g.MaxErrors, "guard-max-errors", -1, "failures that are forgiven (default: 1 within 10 s and 10 in all)")
	f.DurationVar(&g.Timeout, "guard-timeout", 0, "after which a probe has failed (default 5s)")
	oneOf(f, &g.OnBreach, "on-breach", "stop", "what a breach does: stop or ignore", "stop", "ignore")
}

func (g *guardFlags) guards() ([]move.Guard, error) {
	rate, err := parseRate(g.Rate)
	if err != nil {
		return nil, badFlag("--guard-rate", err, "write it as requests per second: 50/s")
	}
	header, err := headers("--guard-header", g.Headers)
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for name := range header {
		values[name] = header.Get(name)
	}
	var all []move.Guard
	for _, url := range g.URLs {
		one := move.Guard{URL: url, Host: g.Host, Method: g.Method, Headers: values, Body: g.Body, Rate: rate, Expect: g.Expect, Status: g.Statuses, P99: g.P99, Timeout: g.Timeout, OnBreach: g.OnBreach}
		if g.MaxErrors >= 0 {
			one.MaxErrors = &g.MaxErrors
		}
		all = append(all, one)
	}
	return all, nil
}

const setHelp = `A SET is one of
  nodegroup/NAME        an EKS managed node group
  asg/NAME              an Auto Scaling group (AWS is asked)
  nodepool/NAME         a NodePool of Karpenter
  group/NAME            a node group of a Drover stack
  nodes/LABEL-SELECTOR  nodes by their labels: nodes/role=web,tier!=db
  node/NAME             one node`

// needFrom refuses a command line without a set.
func needFrom(cmd *cobra.Command, s setFlags) error {
	if len(s.From) == 0 {
		return usage(cmd, errors.New("say what to move: --from SET"))
	}
	return nil
}
