import { startFixtureServer } from './fixture-server.ts'

const { url } = await startFixtureServer({ port: Number(process.env.PORT ?? 7099) })
process.stdout.write(`${url}/-/gallery\n`)
