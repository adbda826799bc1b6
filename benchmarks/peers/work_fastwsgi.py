"""The WSGI application of `work.py` on fastwsgi: `work_fastwsgi.py PORT`."""

import sys

import fastwsgi
from work import wsgi

if __name__ == "__main__":
    fastwsgi.server.backlog = 4096
    fastwsgi.run(wsgi_app=wsgi, host="127.0.0.1", port=int(sys.argv[1]), loglevel=0)
