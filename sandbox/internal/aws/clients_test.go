//go:build clients

package aws

import (
	"os"
	"os/exec"
	"testing"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
)

// AWS's own clients judge the endpoint. It runs in this process, without
// machines or a control plane behind it. DROVER_CLIENTS_PYTHON is the Python that has botocore.
func TestOutsideClients(t *testing.T) {
	w := newWorld(t)
	w.authority()
	python := os.Getenv("DROVER_CLIENTS_PYTHON")
	if python == "" {
		python = "python3"
	}
	cmd := exec.CommandContext(t.Context(), python, "-B", "../../clients/run.py", w.url)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+region.AccessKey, "AWS_SECRET_ACCESS_KEY="+region.SecretKey, "AWS_PAGER=",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true")
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if n, found := w.inventory(); n != 0 {
		t.Errorf("the clients could not take everything away: %v", found)
	}
}
