package render

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// kustomizations are the names that Kustomize looks for in a folder.
var kustomizations = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// IsKustomization tells whether a folder is one for Kustomize.
func IsKustomization(fsys fs.FS, folder string) bool {
	_, err := kustomization(fsys, folder)
	return err == nil
}

func kustomization(fsys fs.FS, folder string) (string, error) {
	for _, name := range kustomizations {
		if _, err := fs.Stat(fsys, path.Join(folder, name)); err == nil {
			return path.Join(folder, name), nil
		}
	}
	return "", fmt.Errorf("%s has no kustomization.yaml", folder)
}

// Kustomize renders a folder. It reads the project folder alone: what lies elsewhere
// is refused, not fetched. Plugins, and charts within a kustomization, are off.
func Kustomize(fsys fs.FS, folder string) ([]byte, error) {
	copied := filesys.MakeFsInMemory()
	c := copier{from: fsys, to: copied, done: map[string]bool{}}
	if err := c.tree(folder); err != nil {
		return nil, err
	}
	options := krusty.MakeDefaultOptions()
	options.PluginConfig = types.DisabledPluginConfig()
	rendered, err := krusty.MakeKustomizer(options).Run(copied, "/"+folder)
	if err != nil {
		return nil, err
	}
	return rendered.AsYaml()
}

// copier takes along what a kustomization is made of.
type copier struct {
	from fs.FS
	to   filesys.FileSystem
	done map[string]bool
}

// tree copies a folder, and those that its kustomization builds on.
func (c *copier) tree(folder string) error {
	if c.done[folder] {
		return nil
	}
	c.done[folder] = true
	file, err := kustomization(c.from, folder)
	if err != nil {
		return err
	}
	if err := c.files(folder); err != nil {
		return err
	}
	data, err := c.to.ReadFile("/" + file)
	if err != nil {
		return err
	}
	var k struct {
		Resources  []string `yaml:"resources"`
		Bases      []string `yaml:"bases"`
		Components []string `yaml:"components"`
	}
	if err := yaml.Unmarshal(data, &k); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, entry := range slices.Concat(k.Resources, k.Bases, k.Components) {
		if err := c.entry(folder, file, entry); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) entry(folder, file, entry string) error {
	name := path.Join(folder, entry)
	if strings.Contains(entry, "://") || !fs.ValidPath(name) {
		return fmt.Errorf("%s: %q is not in the project folder", file, entry)
	}
	info, err := fs.Stat(c.from, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %q is not in the project folder", file, entry)
	case err != nil:
		return err
	case info.IsDir():
		return c.tree(name)
	}
	return nil
}

// files copies all that lies in a folder and below it.
func (c *copier) files(folder string) error {
	return fs.WalkDir(c.from, folder, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && strings.HasPrefix(e.Name(), ".") && name != folder:
			return fs.SkipDir
		case !e.Type().IsRegular():
			return nil
		}
		data, err := ReadFile(c.from, name)
		if err != nil {
			return err
		}
		return c.to.WriteFile("/"+name, data)
	})
}
