module outrider/pause

go 1.24.0
