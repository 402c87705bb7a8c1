package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// program is the drover to measure: with DROVER_BIN, the folder of the built
// program, that; else this test binary, which is larger.
func program(b testing.TB) string {
	bin, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	if built := os.Getenv("DROVER_BIN"); built != "" {
		bin = filepath.Join(built, "drover")
	}
	return bin
}

// BenchmarkStart runs `drover version` from process start to exit: what every
// command costs before it does anything.
func BenchmarkStart(b *testing.B) {
	bin := program(b)
	info, err := os.Stat(bin)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		cmd := exec.Command(bin, "version")
		cmd.Args[0] = "drover"
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB-binary")
}

// BenchmarkCommand runs commands on a stack of many resources that stands,
// from process start to exit, against an AWS that answers at once: CPU seconds.
// Every object is read, unless --no-read says otherwise.
func BenchmarkCommand(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := newBigProject(b, n)
			for _, args := range []string{"preview", "up --yes", "preview --no-read", "up --yes --no-read", "state ls"} {
				b.Run(strings.ReplaceAll(args, " ", "_"), func(b *testing.B) { p.measure(b, strings.Fields(args)) })
			}
		})
	}
}

func (p *bigProject) measure(b *testing.B, args []string) {
	cpu := 0.0
	for b.Loop() {
		used := p.run(b, args...)
		cpu += float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
	}
	b.ReportMetric(cpu/float64(b.N), "cpu-s/run")
}

// bigProject is a project whose stack is up.
type bigProject struct {
	bin, dir string
	env      []string
}

func newBigProject(b testing.TB, n int) *bigProject {
	server := httptest.NewServer(&instantAWS{objects: map[string]string{}})
	b.Cleanup(server.Close)
	p := &bigProject{bin: program(b), dir: b.TempDir()}
	p.env = append(os.Environ(), "HOME="+p.dir, "AWS_ENDPOINT_URL="+server.URL, "AWS_REGION=us-west-2", "AWS_ACCESS_KEY_ID=a",
		"AWS_SECRET_ACCESS_KEY=b", "AWS_EC2_METADATA_DISABLED=true")
	var file strings.Builder
	file.WriteString("name: shop\nresources:\n")
	for i := range n {
		fmt.Fprintf(&file, "  r%d: {type: AWS::EC2::VPC, properties: {CidrBlock: 10.0.0.0/16, Tags: [{Key: n, Value: \"%d\"}", i, i)
		if i > 0 {
			fmt.Fprintf(&file, ", {Key: on, Value: \"${resources.r%d.VpcId}\"}", i/2)
		}
		file.WriteString("]}}\n")
	}
	if err := os.WriteFile(filepath.Join(p.dir, "drover.yaml"), []byte(file.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	p.run(b, "stack", "init", "dev")
	p.run(b, "up", "--yes")
	return p
}

func (p *bigProject) run(b testing.TB, args ...string) *syscall.Rusage {
	b.Helper()
	cmd := exec.Command(p.bin, args...)
	cmd.Args[0], cmd.Dir, cmd.Env = "drover", p.dir, p.env
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("drover %v: %v\n%s", args, err, out)
	}
	return cmd.ProcessState.SysUsage().(*syscall.Rusage)
}

// instantAWS has every object as soon as it is asked for.
type instantAWS struct {
	mu      sync.Mutex
	objects map[string]string // properties by identifier
}

func (a *instantAWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what is cut off is refused below
	if strings.Contains(string(body), "Action=GetCallerIdentity") {
		_, _ = fmt.Fprint(w, `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>111</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`)
		return
	}
	var in struct{ TypeName, Identifier, DesiredState string }
	_ = json.Unmarshal(body, &in)
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	switch strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "CloudApiService.") {
	case "CreateResource":
		id := fmt.Sprintf("vpc-%08x", len(a.objects))
		a.objects[id] = strings.TrimSuffix(in.DesiredState, "}") + `,"VpcId":"` + id + `"}`
		answer(w, map[string]any{"ProgressEvent": map[string]any{"OperationStatus": "SUCCESS", "Identifier": id, "TypeName": in.TypeName}})
	case "GetResource":
		answer(w, map[string]any{"TypeName": in.TypeName, "ResourceDescription": map[string]any{"Identifier": in.Identifier, "Properties": a.objects[in.Identifier]}})
	default:
		w.WriteHeader(http.StatusBadRequest)
	}
}

func answer(w io.Writer, v any) {
	_ = json.NewEncoder(w).Encode(v) // a client that left gets nothing
}
