package move

import (
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/droverhq/drover/problem"
)

// order is what a move's record keeps of its options, so that anybody can go on
// with it, and see what was asked for.
type order struct {
	From       []string       `json:"from"`
	To         []string       `json:"to,omitempty"`
	Then       Then           `json:"then"`
	Leave      int            `json:"leave,omitempty"`
	Namespaces []string       `json:"namespaces,omitempty"`
	Workloads  []string       `json:"workloads,omitempty"`
	Pods       string         `json:"pods,omitempty"`
	SkipEnding time.Duration  `json:"skipEnding,omitempty"`
	Guards     []Guard        `json:"guards,omitempty"`
	Soak       time.Duration  `json:"soak,omitempty"`
	Settle     time.Duration  `json:"settle,omitempty"`
	Balancers  time.Duration  `json:"balancerSettle,omitempty"`
	Park       bool           `json:"park,omitempty"`
	EndBare    bool           `json:"endBare,omitempty"`
	Grace      *time.Duration `json:"grace,omitempty"`
}

func (j *job) order() order {
	o := order{Then: j.Then, Leave: j.Leave, Namespaces: j.Only.Namespaces, Workloads: j.Only.Workloads, SkipEnding: j.Only.SkipEnding, Soak: j.Soak, Settle: j.Settle, Balancers: j.BalancerSettle,
		Park: j.Park, EndBare: j.EndBare, Grace: j.Grace, From: texts(j.From), To: texts(j.To)}
	if j.Only.Pods != nil {
		o.Pods = j.Only.Pods.String()
	}
	for _, g := range j.Guards {
		g.Headers = nil // may be secret
		o.Guards = append(o.Guards, g)
	}
	return o
}

func texts(sets []Set) []string {
	var all []string
	for _, s := range sets {
		all = append(all, s.String())
	}
	return all
}

// readOrder makes options of what a record keeps.
func readOrder(data []byte) (Options, error) {
	var r order
	if err := json.Unmarshal(data, &r); err != nil {
		return Options{}, err
	}
	o := Options{Then: r.Then, Leave: r.Leave, Only: Only{Namespaces: r.Namespaces, Workloads: r.Workloads, SkipEnding: r.SkipEnding}, Guards: r.Guards, Soak: r.Soak, Settle: r.Settle,
		BalancerSettle: r.Balancers, Park: r.Park, EndBare: r.EndBare, Grace: r.Grace}
	var wrong problem.List
	sets := func(texts []string) (all []Set) {
		for _, text := range texts {
			s, err := ParseSet(text)
			if err != nil {
				wrong = append(wrong, &problem.Error{Kind: problem.Outside, Op: "read the order of a move", Err: err})
			}
			all = append(all, s)
		}
		return all
	}
	o.From, o.To = sets(r.From), sets(r.To)
	if r.Pods != "" {
		s, err := labels.Parse(r.Pods)
		if err != nil {
			return o, err
		}
		o.Only.Pods = s
	}
	return o, wrong.Err()
}
