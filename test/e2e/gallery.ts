import { startFixtureServer } from './fixture-server.ts'

const { url } = await startFixtureServer(undefined, { port: Number(process.env.PORT ?? 7099) })
process.stdout.write(`${url}/-/gallery\n`)
