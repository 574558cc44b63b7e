"""Pictures and pages: charts of results as PNG, SVG, or one HTML file; needs the extra `report`."""
