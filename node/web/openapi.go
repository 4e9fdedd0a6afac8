package web

import (
	_ "embed"
	"fmt"
	"net/http"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed openapi.yaml
var openAPIText []byte

// openAPI describes all this.
func (s *Server) openAPI(w http.ResponseWriter, r *request) error {
	body, contentType := openAPIText, "application/yaml"
	if strings.HasSuffix(r.URL.Path, ".json") {
		var err error
		if body, err = yaml.YAMLToJSON(openAPIText); err != nil {
			return fmt.Errorf("translating the API's description: %w", err)
		}
		contentType = "application/json"
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-cache")
	// Whoever has gone needs no answer.
	_, _ = w.Write(body)
	return nil
}
