"""The SVM workload."""
