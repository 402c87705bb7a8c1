// Package ssm is the SSM API, as far as the public parameters go that name the
// newest EKS-optimized AMIs.
package ssm

import (
	"encoding/json"
	"fmt"

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

// request is the input of every operation.
type request struct {
	Name  string
	Names []string
}

// Serve answers one operation.
func (s *Service) Serve(op string, body []byte) (any, error) {
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, region.Errorf(region.Invalid, "SerializationException", "%s", err)
	}
	if serve, ok := s.Operations()[op]; ok {
		return serve(in)
	}
	return nil, wire.UnknownAction(wire.JSON11, op)
}

// Operations lists what is implemented.
func (s *Service) Operations() map[string]func(request) (any, error) {
	return map[string]func(request) (any, error){"GetParameter": s.get, "GetParameters": s.getMany}
}

func (s *Service) get(in request) (any, error) {
	p, ok := s.parameters()[in.Name]
	if !ok {
		return nil, region.Errorf(region.NotFound, "ParameterNotFound", "Parameter %s not found.", in.Name)
	}
	return struct{ Parameter Parameter }{p}, nil
}

func (s *Service) getMany(in request) (any, error) {
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

// parameters are those that AWS publishes for each AMI.
func (s *Service) parameters() map[string]Parameter {
	all := map[string]Parameter{}
	for _, i := range region.Images(s.region) {
		if !i.Newest {
			continue
		}
		folder := fmt.Sprintf("/aws/service/eks/optimized-ami/%s/amazon-linux-2023/%s/standard/recommended", i.Version, i.Arch)
		add := func(name, value, dataType string) {
			all[name] = Parameter{
				Name: name, Type: "String", Value: value, Version: 1,
				LastModifiedDate: 1793491200, // 2026-11-01
				ARN:              "arn:aws:ssm:" + s.region + "::parameter" + name, DataType: dataType,
			}
		}
		add(folder+"/image_id", i.ID, "aws:ec2:image")
		add(folder+"/release_version", i.Release, "text")
		add(folder+"/image_name", i.Name, "text")
		whole, _ := json.Marshal(map[string]string{"schema_version": "2", "image_id": i.ID, "image_name": i.Name,
			"release_version": i.Release})
		add(folder, string(whole), "text")
	}
	return all
}
