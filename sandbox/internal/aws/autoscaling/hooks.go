package autoscaling

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Lifecycle hooks: who may hold instances of a group in a transition.

// A hook's whole time is limited.
const (
	heartbeatsAtMost = 100          // times its heartbeat, or
	globalTimeout    = 48 * 60 * 60 // seconds
)

type hookItem struct {
	Name       string `xml:"LifecycleHookName"`
	Group      string `xml:"AutoScalingGroupName"`
	Transition string `xml:"LifecycleTransition"`
	Heartbeat  int    `xml:"HeartbeatTimeout"`
	Global     int    `xml:"GlobalTimeout"`
	Result     string `xml:"DefaultResult"`
}

func (s *Service) describeHooks(_ *http.Request, f wire.Form) (any, error) {
	var out struct {
		Hooks []hookItem `xml:"LifecycleHooks>member"`
	}
	group, names := f.Get("AutoScalingGroupName"), f.List("LifecycleHookNames")
	err := f.AllRead()
	if err != nil {
		return nil, err
	}
	err = s.store.Read(func(st *region.State) error {
		g, err := st.Group(group)
		if err != nil {
			return err
		}
		for _, h := range g.Hooks {
			if len(names) == 0 || slices.Contains(names, h.Name) {
				out.Hooks = append(out.Hooks, hookItem{h.Name, g.Name, h.Transition, h.Heartbeat,
					min(globalTimeout, heartbeatsAtMost*h.Heartbeat), h.Result})
			}
		}
		return nil
	})
	return out, err
}

func (s *Service) putHook(_ *http.Request, f wire.Form) (any, error) {
	return s.withGroup(f, func(_ *region.State, g *region.Group) error {
		return g.SetHook(hook(f))
	})
}

// hook reads a hook of a request.
func hook(f wire.Form) region.Hook {
	h := region.Hook{Name: f.Get("LifecycleHookName"), Transition: f.Get("LifecycleTransition"),
		Result: cmp.Or(f.Get("DefaultResult"), region.Abandon), Heartbeat: region.HeartbeatDefault}
	if n := f.Int("HeartbeatTimeout"); n != nil {
		h.Heartbeat = *n
	}
	return h
}

func (s *Service) deleteHook(_ *http.Request, f wire.Form) (any, error) {
	return s.withGroup(f, func(_ *region.State, g *region.Group) error {
		name := f.Get("LifecycleHookName")
		kept := slices.DeleteFunc(slices.Clone(g.Hooks), func(h region.Hook) bool { return h.Name == name })
		if len(kept) == len(g.Hooks) {
			return region.Errorf(region.NotFound, "ValidationError", "No Lifecycle Hook found with name: %s", name)
		}
		g.Hooks = kept
		return nil
	})
}

func (s *Service) completeAction(_ *http.Request, f wire.Form) (any, error) {
	return s.withHeld(f, func(st *region.State, g *region.Group, i *region.Instance) {
		st.Complete(g, i, f.Word("LifecycleActionResult", region.Continue, region.Abandon), region.Stamp(s.now()))
	})
}

func (s *Service) heartbeat(_ *http.Request, f wire.Form) (any, error) {
	return s.withHeld(f, func(_ *region.State, _ *region.Group, i *region.Instance) { i.Waits = region.Stamp(s.now()) })
}

// withHeld changes the instance that the named hook holds.
func (s *Service) withHeld(f wire.Form, change func(*region.State, *region.Group, *region.Instance)) (any, error) {
	return s.withGroup(f, func(st *region.State, g *region.Group) error {
		i := st.Instances[f.Get("InstanceId")]
		if i == nil || i.Group != g.Name {
			return noAction(f)
		}
		if h, held := g.HookOf(i); !held || h.Name != f.Get("LifecycleHookName") {
			return noAction(f)
		}
		change(st, g, i)
		return nil
	})
}

func noAction(f wire.Form) error {
	return region.Errorf(region.Invalid, "ValidationError", "No active Lifecycle Action found with instance ID %s",
		f.Get("InstanceId"))
}
