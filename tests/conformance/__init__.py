"""The functions of the package, spoken to in lines of JSON."""
