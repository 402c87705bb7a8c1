//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package state

// lockFile does nothing where there is no flock: the lock file in the bucket is all there is.
func lockFile(string) (free func(), err error) { return func() {}, nil }
