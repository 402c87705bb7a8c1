package autoscaling

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// launchRetry is the pause after a launch that failed.
const launchRetry = 2 * time.Second

// Scaler keeps every group at the size it wants.
type Scaler struct {
	store  *region.Store
	health Health
	now    func() time.Time
	here   func() time.Time // by which load balancers live
	log    *slog.Logger
}

// NewScaler makes a Scaler.
func NewScaler(store *region.Store, health Health, now, here func() time.Time, log *slog.Logger) *Scaler {
	return &Scaler{store: store, health: health, now: now, here: here, log: log}
}

// Run acts on every change until ctx ends.
func (s *Scaler) Run(ctx context.Context) {
	changed := s.store.Watch()
	tick := time.NewTicker(launchRetry / 2) // for launches that failed
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
		var due []string
		s.store.View(func(st *region.State) {
			for name, g := range st.Groups {
				if s.due(st, g) {
					due = append(due, name)
				}
			}
		})
		for _, name := range due {
			err := s.store.Update(func(st *region.State) error {
				if g, ok := st.Groups[name]; ok {
					s.turn(st, g)
				}
				return nil
			})
			if err != nil {
				s.log.Error("scale group", "group", name, "err", err)
			}
		}
	}
}

// due tells whether a turn would change anything, so that a quiet group costs
// no write.
func (s *Scaler) due(st *region.State, g *region.Group) bool {
	alive := 0
	for _, i := range st.Members(g.Name) {
		switch {
		case i.State == region.Running && i.Lifecycle == "Pending", g.Overdue(i, s.now()), s.crosses(st, g, i), s.ails(st, g, i),
			s.unfit(g, i):
			return true
		case i.Counts():
			alive++
		}
	}
	alive += lost(st, g)
	for _, a := range g.Activities {
		if i := st.Instances[a.Instance]; a.Status == "InProgress" && (i == nil || i.State == region.Terminated) {
			return true
		}
	}
	want := int(*g.DesiredCapacity)
	switch {
	case g.Deleting && len(st.Members(g.Name)) == 0:
		return true
	case alive < want:
		return !g.IsSuspended("Launch") && !s.now().Before(g.RetryAt)
	case alive > want:
		return !g.IsSuspended("Terminate") && victim(st, g) != nil
	}
	return false
}

// turn brings a group one step nearer to what it wants.
func (s *Scaler) turn(st *region.State, g *region.Group) {
	now := region.Stamp(s.now())
	s.settle(st, g, now)
	s.traffic(st, g, now)
	s.replaceUnhealthy(st, g, now)
	alive := len(living(st, g)) + lost(st, g)
	for ; alive < int(*g.DesiredCapacity) && !g.IsSuspended("Launch") && !now.Before(g.RetryAt); alive++ {
		if !s.launch(st, g, now) {
			return
		}
	}
	for ; alive > int(*g.DesiredCapacity) && !g.IsSuspended("Terminate"); alive-- {
		i := victim(st, g)
		if i == nil {
			return // all that are left are protected
		}
		st.EndMember(g, i, now, "an instance was taken out of service in response to a difference between desired and actual capacity")
	}
	if g.Deleting && len(st.Members(g.Name)) == 0 {
		delete(st.Groups, g.Name)
	}
}

// settle notes which instances have come up and which are gone.
func (s *Scaler) settle(st *region.State, g *region.Group, now time.Time) {
	for _, i := range st.Members(g.Name) {
		_, held := g.HookAt(region.Launching)
		switch {
		case i.State == region.Running && i.Lifecycle == "Pending" && held:
			i.Lifecycle, i.Waits = region.PendingWait, now
		case i.State == region.Running && i.Lifecycle == "Pending":
			g.Serve(i, now)
		case g.Overdue(i, now):
			hook, _ := g.HookOf(i)
			st.Complete(g, i, cmp.Or(hook.Result, region.Continue), now)
		}
	}
	for _, a := range slices.Clone(g.Activities) {
		if i := st.Instances[a.Instance]; a.Status == "InProgress" && (i == nil || i.State == region.Terminated) {
			g.Finish(a.Instance, now)
		}
	}
}

func (s *Scaler) replaceUnhealthy(st *region.State, g *region.Group, now time.Time) {
	for _, i := range st.Members(g.Name) {
		if s.unfit(g, i) {
			st.EndMember(g, i, now, "an instance was taken out of service in response to an instance health check")
		}
	}
}

// unfit: an instance is to be replaced. One that somebody has stopped is, as soon as
// the group looks at its instances' health.
func (s *Scaler) unfit(g *region.Group, i *region.Instance) bool {
	if g.IsSuspended("ReplaceUnhealthy") || g.IsSuspended("Terminate") {
		return false
	}
	off := i.State == region.Stopping || i.State == region.Stopped
	return i.Counts() && i.Unhealthy || off && !i.Retired && !g.IsSuspended("HealthCheck")
}

// launch adds an instance in the subnet whose zone has the fewest.
func (s *Scaler) launch(st *region.State, g *region.Group, now time.Time) bool {
	a := region.Activity{ID: region.UUID(), Status: "InProgress", Start: now,
		Cause: fmt.Sprintf("At %s an instance was started in response to a difference between desired and actual capacity.", wire.Stamp(now))}
	i, err := launchIn(st, g, now)
	if err != nil {
		a.Status, a.Message, a.End = "Failed", err.Error(), now
		a.Description = "Launching a new EC2 instance.  Status Reason: " + err.Error()
		g.RetryAt = now.Add(launchRetry)
		g.Record(a)
		s.log.Warn("launch instance", "group", g.Name, "err", err)
		return false
	}
	a.Instance, a.Description = i.ID, "Launching a new EC2 instance: "+i.ID
	g.Record(a)
	return true
}

func launchIn(st *region.State, g *region.Group, now time.Time) (*region.Instance, error) {
	sub, err := st.Subnet(pickSubnet(st, g))
	if err != nil {
		return nil, err
	}
	return st.Launch(g, sub, now)
}

func pickSubnet(st *region.State, g *region.Group) string {
	perZone, perSubnet := map[string]int{}, map[string]int{}
	for _, i := range living(st, g) {
		perZone[i.Zone]++
		perSubnet[i.SubnetID]++
	}
	return slices.MinFunc(g.Subnets, func(a, b string) int {
		zones := cmp.Compare(perZone[zoneOf(st, a)], perZone[zoneOf(st, b)])
		return cmp.Or(zones, cmp.Compare(perSubnet[a], perSubnet[b]))
	})
}

func zoneOf(st *region.State, subnet string) string {
	if sub, ok := st.Subnets[subnet]; ok {
		return sub.AvailabilityZone
	}
	return ""
}

// lost counts the instances that ended without the group's doing, and that it
// does not replace because that is suspended. A group that is being deleted
// replaces nothing anyway.
func lost(st *region.State, g *region.Group) int {
	n := 0
	if !g.Deleting && (g.IsSuspended("ReplaceUnhealthy") || g.IsSuspended("HealthCheck")) {
		for _, i := range st.Instances {
			if i.Group == g.Name && !i.Alive() && !i.Retired {
				n++
			}
		}
	}
	return n
}

func living(st *region.State, g *region.Group) []*region.Instance {
	return slices.DeleteFunc(st.Members(g.Name), func(i *region.Instance) bool { return !i.Counts() })
}

// victim is whom the default termination policy takes: in the zone with the
// most instances, of the oldest launch template version, the oldest. Protected
// ones are spared unless the group is deleted.
func victim(st *region.State, g *region.Group) *region.Instance {
	list := slices.DeleteFunc(living(st, g), func(i *region.Instance) bool { return i.Protected && !g.Deleting })
	if len(list) == 0 {
		return nil
	}
	perZone := map[string]int{}
	for _, i := range living(st, g) {
		perZone[i.Zone]++
	}
	return slices.MinFunc(list, func(a, b *region.Instance) int {
		return cmp.Or(cmp.Compare(perZone[b.Zone], perZone[a.Zone]), cmp.Compare(a.TemplateVersion, b.TemplateVersion),
			a.Launched.Compare(b.Launched))
	})
}
