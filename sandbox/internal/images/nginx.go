package images

import "github.com/droverhq/drover/sandbox/internal/rootfs"

// nginxAccount is who the workers of the official image are, and all of nginx/nginx-ingress.
var nginxAccount = rootfs.Account{Name: "nginx", ID: 101}

// nginxFiles are what the official nginx image has and this machine's nginx
// package does not, or has otherwise. The logs are links to the container's
// output; what this machine's nginx keeps in /var/lib/nginx, the image's keeps in
// /var/cache/nginx.
var nginxFiles = []rootfs.File{
	{Path: "/etc/nginx/nginx.conf", Content: `user nginx;
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
`},
	{Path: "/etc/nginx/conf.d/default.conf", Content: `server {
    listen 80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
}
`},
	{Path: "/usr/share/nginx/html/index.html", Content: "<!DOCTYPE html>\n<title>Welcome to nginx!</title>\n<h1>Welcome to nginx!</h1>\n"},
	{Path: "/var/log/nginx/access.log", Link: "/dev/stdout"},
	{Path: "/var/log/nginx/error.log", Link: "/dev/stderr"},
	{Path: "/var/cache/nginx"},
	{Path: "/var/lib/nginx", Link: "/var/cache/nginx"},
}
