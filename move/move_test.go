package move

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/droverhq/drover/event"
	"github.com/droverhq/drover/internal/kube/cluster"
	"github.com/droverhq/drover/internal/kube/kubetest"
)

// strange is a cluster that Drover has never seen.
func strange(t *testing.T, more ...string) (*kubetest.Server, Access) {
	t.Helper()
	objects, err := os.ReadFile("testdata/objects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	server, err := kubetest.New(strings.Join(append([]string{string(objects)}, more...), "\n---\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(server.Kubeconfig()), 0o600); err != nil {
		t.Fatal(err)
	}
	return server, Access{Kubeconfig: path}
}

// deschedulers are one of either kind that is turned off while nodes are closed.
const deschedulers = `apiVersion: apps/v1
kind: Deployment
metadata: {name: descheduler, namespace: kube-system, uid: d-descheduler, generation: 1}
spec: {replicas: 1, selector: {matchLabels: {app: d}}, template: {metadata: {labels: {app: d}}, spec: {containers: [{name: c, image: descheduler}]}}}
status: {observedGeneration: 1}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: descheduler, namespace: kube-system, uid: c-descheduler}
spec: {schedule: "* * * * *", jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: descheduler}]}}}}}`

// allowed: the permissions of a command cover a request.
func allowed(p Permissions, r kubetest.Request) bool {
	return slices.ContainsFunc(p.Needs, func(n Need) bool {
		return (n.Namespace == "" || n.Namespace == r.Namespace) && n.Group == r.Group && slices.Contains(n.Resources, r.Resource) && slices.Contains(n.Verbs, r.Verb)
	})
}

// Whatever a command asks of a cluster is in the table of what it needs.
func TestPermissionsCoverWhatIsAsked(t *testing.T) {
	covers := func(t *testing.T, command string, server *kubetest.Server) {
		t.Helper()
		p, err := PermissionsFor(command)
		if err != nil {
			t.Fatal(err)
		}
		asked := server.Asked()
		for _, r := range asked {
			if !allowed(p, r) {
				t.Errorf("%s asks for what is not in the table: %+v", command, r)
			}
		}
		if len(asked) == 0 {
			t.Error("it asked for nothing")
		}
	}
	t.Run("check", func(t *testing.T) {
		server, access := strange(t)
		server.Serve(cluster.Optional()...) // whatever CRDs define is there
		if _, err := CheckAll(t.Context(), Options{Access: access}); err != nil {
			t.Fatal(err)
		}
		covers(t, "check", server)
		for _, r := range cluster.Optional() {
			if !slices.ContainsFunc(server.Asked(), func(a kubetest.Request) bool { return a.Group == r.Group && a.Resource == r.Resource }) {
				t.Errorf("%s is served, and nobody watches it", r)
			}
		}
	})
	t.Run("drain, moves and recover", func(t *testing.T) {
		server, access := strange(t, deschedulers)
		var told []event.Event
		log := event.NewLog(testClock, func(e event.Event) { told = append(told, e) })
		if err := Run(t.Context(), Options{Access: access, From: []Set{{Node, "b"}}, EndBare: true, Events: log}); err != nil {
			t.Fatal(err)
		}
		covers(t, "drain", server)
		for _, resource := range []string{"deployments", "cronjobs"} {
			if !slices.ContainsFunc(server.Asked(), func(a kubetest.Request) bool { return a.Resource == resource && a.Verb == "patch" }) {
				t.Errorf("no descheduler of %s was turned off", resource)
			}
		}
		server.Forget()
		m, err := Find(t.Context(), access, "")
		if err != nil {
			t.Fatal(err)
		}
		if m.Name != "node/b" || m.State != Kept || m.Empty != 1 || len(m.Events) == 0 || m.Stack {
			t.Errorf("%+v", m)
		}
		if _, err := Again(access, m); err == nil || !strings.Contains(fixOf(err), "moves return") {
			t.Error(err)
		}
		covers(t, "moves", server)
		server.Forget()
		if err := Recover(t.Context(), Recovery{Access: access, Name: "node/b", Kept: true}); err != nil {
			t.Fatal(err)
		}
		covers(t, "recover", server)
		if all, err := List(t.Context(), access); err != nil || len(all) > 0 {
			t.Errorf("%v %v", all, err)
		}
	})
}

// A move says which sets leave by it, whatever it is called; a way back, which ones get
// their pods again. A stack's has no order.
func TestMovesSayWhatLeaves(t *testing.T) {
	orders := map[string][]byte{"web-1": encode(order{From: []string{"asg/web-1"}}), "web-1/return": encode(wayBack{"web-1"}), "b": nil, "b/return": encode(wayBack{"gone"})}
	for name, want := range map[string]string{"web-1": "asg/web-1", "web-1/return": "asg/web-1", "b": "", "b/return": ""} {
		if got := strings.Join(leaving(orders, name), " "); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A move is found by the set that was moved, though that of a whole group is called as a
// stack's move of the same group.
func TestMovesAreFoundByTheirSets(t *testing.T) {
	all := []Move{{Name: "web-1"}, {Name: "nodegroup/web"}, {Name: "nodegroup/a,nodegroup/b"}}
	for name, want := range map[string]string{"asg/web-1": "web-1", "group/web-1": "web-1", "web-1": "web-1", "nodegroup/web": "nodegroup/web", "nodegroup/a,nodegroup/b": "nodegroup/a,nodegroup/b", "asg/web": "", "nodegroup/web-1": ""} {
		if m, err := pick(all, name); m.Name != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", name, m.Name, err)
		}
	}
}

// An action is allowed on objects of its own service alone, or on all where it knows no
// single one, and each stands in one statement.
func TestPolicyNamesObjectsOfTheService(t *testing.T) {
	for _, command := range append(Commands(), "") {
		p, err := PermissionsFor(command)
		if err != nil {
			t.Fatal(err)
		}
		allowed := map[string]int{}
		for _, s := range p.statements() {
			for _, action := range s.Action {
				allowed[action]++
				service, _, _ := strings.Cut(action, ":")
				for _, resource := range s.Resource {
					if resource != "*" && strings.Split(resource, ":")[2] != service {
						t.Errorf("%s: %s on %s", command, action, resource)
					}
				}
			}
		}
		for _, c := range p.Calls {
			if allowed[c.Action] != 1 {
				t.Errorf("%s: %s is allowed by %d statements", command, c.Action, allowed[c.Action])
			}
		}
	}
}
