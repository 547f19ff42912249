package api_test

import (
	"net/http"
	"testing"

	"github.com/rowhouse/rowhouse/api/apitest"
)

// BenchmarkCreate makes contacts, each in a request of its own.
func BenchmarkCreate(b *testing.B) {
	c := apitest.New(b).Tenant()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Post("/contacts", `{"first_name":"Ada","last_name":"Lovelace","job_title":"Analyst","tags":["a","b"]}`).Want(http.StatusCreated)
		}
	})
}

// BenchmarkList reads pages of 50.
func BenchmarkList(b *testing.B) {
	c := apitest.New(b).Tenant()
	for range 100 {
		c.Post("/contacts", `{"first_name":"Ada","last_name":"Lovelace","job_title":"Analyst","tags":["a","b"]}`).Want(http.StatusCreated)
	}
	c.Get("/contacts?limit=50").Want(http.StatusOK)
	c = c.With("Min-Position", "0")
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Get("/contacts?limit=50").Want(http.StatusOK)
		}
	})
}
