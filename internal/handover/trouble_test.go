package handover

import (
	"testing"
)

// trouble is why the scene's workload has too few pods that serve.
func (s *scene) trouble() string {
	s.know()
	return newHerd(s.c, s.r).trouble()
}

// A wait for a replacement says what is wrong with it: the workload's own trouble, a pod's,
// or what a pod lacks; and nothing of pods that are on their way out.
func TestWhyTooFewServe(t *testing.T) {
	for want, change := range map[string]func(s *scene){
		"":                            func(*scene) {},
		"quota exceeded":              func(s *scene) { s.web.Trouble = "quota exceeded" },
		"pod web-2: ImagePullBackOff": func(s *scene) { s.unready(s.two, 0); s.two.Trouble = "ImagePullBackOff" },
		"pod web-2: readiness gate lb is not met": func(s *scene) { s.unready(s.two, 0); s.two.Gates = []string{"lb"} },
		"pod web-2: its scheduler batch has not placed it": func(s *scene) {
			s.unready(s.two, 0)
			s.two.Node, s.two.Scheduler = "", "batch"
		},
		"pod web-2 is not Ready": func(s *scene) { s.unready(s.two, 0); s.two.Scheduler = "batch" },
		"pod web-2 has no readiness probe, and counts once it has run for 30s": func(s *scene) {
			s.two.Probe, s.two.ReadySince = false, noon
		},
		"pod web-1: CrashLoopBackOff": func(s *scene) {
			s.unready(s.two, 0)
			s.unready(s.one, 0)
			s.one.Trouble = "CrashLoopBackOff"
		},
	} {
		s := newScene()
		change(s)
		if got := s.trouble(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for name, change := range map[string]func(s *scene){
		"it ends":        func(s *scene) { s.two.Deleting = true },
		"it has ended":   func(s *scene) { s.two.Finished = true },
		"it is released": func(s *scene) { s.released(s.two, 0, nil) },
	} {
		s := newScene()
		s.unready(s.two, 0)
		s.two.Trouble = "CrashLoopBackOff"
		change(s)
		if got := s.trouble(); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, change := range map[string]func(s *scene){
		"it has run for long enough":    func(s *scene) { s.two.ReadySince = noon.Add(-unproven) },
		"minReadySeconds says how long": func(s *scene) { s.web.MinReady = unproven },
		"nothing is sent to it":         func(s *scene) { s.two.Paths = nil },
	} {
		s := newScene()
		s.two.Probe, s.two.ReadySince = false, noon
		change(s)
		if got := s.trouble(); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
