// Package nginx stands for the official nginx image: this machine's nginx with
// the configuration the image has, unless the pod brings its own.
package nginx

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// files are what the image has and this machine's nginx package does not, or
// has otherwise. The sandbox has one user: nginx must not try to become another.
var files = map[string]string{
	"/etc/nginx/nginx.conf": `user root;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /var/log/nginx/access.log;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
`,
	"/etc/nginx/conf.d/default.conf": `server {
    listen 80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
}
`,
	"/usr/share/nginx/html/index.html": "<!DOCTYPE html>\n<title>Welcome to nginx!</title>\n<h1>Welcome to nginx!</h1>\n",
}

// Exec becomes the command, which is nginx unless the pod says otherwise.
func Exec(command []string) error {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	for file, content := range files {
		if err := provide(file, content, mounts); err != nil {
			return fmt.Errorf("prepare the image: %w", err)
		}
	}
	for _, dir := range []string{"/var/lib/nginx", "/var/log/nginx", "/var/cache/nginx"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	// The image's logs are links to the container's output.
	for link, target := range map[string]string{"access.log": "/dev/stdout", "error.log": "/dev/stderr"} {
		err := os.Symlink(target, filepath.Join("/var/log/nginx", link))
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return syscall.Exec(path, command, os.Environ())
}

// provide writes the file unless it, or a directory above it, is a volume.
func provide(file, content string, mounts []byte) error {
	for path := file; path != "/usr" && path != "/etc"; path = filepath.Dir(path) {
		if bytes.Contains(mounts, []byte(" "+path+" ")) {
			return nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(content), 0o644)
}
