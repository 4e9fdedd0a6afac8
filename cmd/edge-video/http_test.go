package main

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// TestMetrics_FewScrapesAtOnce holds scrapes beyond the bound to be refused while others are at work, and to be answered again afterwards.
func TestMetrics_FewScrapesAtOnce(t *testing.T) {
	reg, begun, goOn := prometheus.NewRegistry(), make(chan struct{}), make(chan struct{})
	slow := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		begun <- struct{}{}
		<-goOn
		return nil, nil
	})
	metrics := metricsOf(reg, func() prometheus.Gatherers { return prometheus.Gatherers{slow} })
	scrape := func() int {
		w := httptest.NewRecorder()
		metrics.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return w.Code
	}
	var atWork sync.WaitGroup
	for range scrapesMost {
		atWork.Go(func() {
			if status := scrape(); status != http.StatusOK {
				t.Errorf("got %d", status)
			}
		})
		<-begun
	}
	if status := scrape(); status != http.StatusServiceUnavailable {
		t.Errorf("one more than the bound gets %d", status)
	}
	close(goOn)
	atWork.Wait()
	go func() { <-begun }()
	if status := scrape(); status != http.StatusOK {
		t.Errorf("afterwards one gets %d", status)
	}
}
