// Package ssm is the SSM API, as far as the public parameters go that name the
// newest EKS-optimized AMIs.
package ssm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/droverhq/drover/sandbox/internal/aws/region"
	"github.com/droverhq/drover/sandbox/internal/aws/wire"
)

// Service answers SSM requests.
type Service struct{ region string }

// New makes the service.
func New(region string) *Service { return &Service{region: region} }

// Parameter is a stored value.
type Parameter struct {
	Name             string
	Type             string
	Value            string
	Version          int
	LastModifiedDate float64 // seconds since 1970
	ARN              string
	DataType         string
}

// Serve answers one operation.
func (s *Service) Serve(op string, body []byte) (any, error) {
	if serve, ok := s.Operations()[op]; ok {
		return serve(body)
	}
	return nil, wire.UnknownAction(wire.JSON11, op)
}

// Operations lists what is implemented.
func (s *Service) Operations() map[string]wire.Operation {
	return map[string]wire.Operation{"GetParameter": wire.Reading(s.get), "GetParameters": wire.Reading(s.getMany),
		"GetParametersByPath": wire.Reading(s.getByPath)}
}

// one is the input of GetParameter.
type one struct {
	Name           string
	WithDecryption bool // no public parameter is encrypted
}

func (s *Service) get(in one) (any, error) {
	p, ok := s.parameters()[in.Name]
	if !ok {
		return nil, region.Errorf(region.NotFound, "ParameterNotFound", "Parameter %s not found.", in.Name)
	}
	return struct{ Parameter Parameter }{p}, nil
}

// several is the input of GetParameters.
type several struct {
	Names          []string
	WithDecryption bool
}

func (s *Service) getMany(in several) (any, error) {
	out := struct {
		Parameters        []Parameter
		InvalidParameters []string
	}{[]Parameter{}, []string{}}
	parameters := s.parameters()
	for _, name := range in.Names {
		if p, ok := parameters[name]; ok {
			out.Parameters = append(out.Parameters, p)
		} else {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	return out, nil
}

// pages are those of GetParametersByPath.
var pages = wire.Paging{Least: 1, Most: 10, Default: 10, BadSize: "ValidationException", BadToken: "InvalidNextToken"}

// folder is the input of GetParametersByPath.
type folder struct {
	Path           string
	Recursive      bool
	WithDecryption bool
	NextToken      string
	MaxResults     *int
}

// getByPath lists what is in a folder, or anywhere below it.
func (s *Service) getByPath(in folder) (any, error) {
	if !strings.HasPrefix(in.Path, "/") {
		return nil, region.Errorf(region.Invalid, "ValidationException", "The parameter path %q must begin with /", in.Path)
	}
	var found []Parameter
	for name, p := range s.parameters() {
		rest, below := strings.CutPrefix(name, strings.TrimSuffix(in.Path, "/")+"/")
		if below && (in.Recursive || !strings.Contains(rest, "/")) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b Parameter) int { return cmp.Compare(a.Name, b.Name) })
	size := ""
	if in.MaxResults != nil {
		size = strconv.Itoa(*in.MaxResults)
	}
	list, next, err := wire.Page(pages, found, in.NextToken, size)
	return struct {
		Parameters []Parameter
		NextToken  string `json:",omitempty"`
	}{append([]Parameter{}, list...), next}, err
}

// parameters are those that AWS publishes for each AMI.
func (s *Service) parameters() map[string]Parameter {
	all := map[string]Parameter{}
	for _, i := range region.Images(s.region) {
		if !i.Newest {
			continue
		}
		if i.OS == region.Bottlerocket {
			s.addBottlerocket(all, i)
			continue
		}
		folder := fmt.Sprintf("/aws/service/eks/optimized-ami/%s/amazon-linux-2023/%s/standard/recommended", i.Version, i.Arch)
		add := func(name, value, dataType string) { all[name] = s.parameter(name, value, dataType) }
		add(folder+"/image_id", i.ID, "aws:ec2:image")
		add(folder+"/release_version", i.Release, "text")
		add(folder+"/image_name", i.Name, "text")
		whole, _ := json.Marshal(map[string]string{"schema_version": "2", "image_id": i.ID, "image_name": i.Name,
			"release_version": i.Release})
		add(folder, string(whole), "text")
	}
	return all
}

func (s *Service) parameter(name, value, dataType string) Parameter {
	return Parameter{
		Name: name, Type: "String", Value: value, Version: 1,
		LastModifiedDate: 1793491200, // 2026-11-01
		ARN:              "arn:aws:ssm:" + s.region + "::parameter" + name, DataType: dataType,
	}
}

// addBottlerocket adds what its makers publish of an image.
func (s *Service) addBottlerocket(all map[string]Parameter, i region.Image) {
	for _, release := range []string{"latest", i.Release} {
		folder := fmt.Sprintf("/aws/service/bottlerocket/aws-k8s-%s/%s/%s", i.Version, i.Arch, release)
		all[folder+"/image_id"] = s.parameter(folder+"/image_id", i.ID, "text")
		all[folder+"/image_version"] = s.parameter(folder+"/image_version", i.Release, "text")
	}
}
