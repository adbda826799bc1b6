"""A FastAPI route that answers with JSON, as the framework's first page shows it."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def hello() -> dict[str, str]:
    return {"message": "Hello, world!"}
