"""The five task runners: ``run(encoder) -> TaskResult``."""
