#!/usr/local/bin/node
// Stands in for SeaweedFS, as deploy/compose.yaml uses it: `weed server -s3` and two commands of `weed shell`. Like that it
// has no filer for its first seconds, and its shell ends with 0 after an error too.
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { startFakeS3 } from '../../fakes/s3.ts'

const option = (args: readonly string[], name: string): string | undefined =>
  args.find((arg) => arg.startsWith(`-${name}=`))?.slice(name.length + 2)

const server = async (args: readonly string[]): Promise<void> => {
  if (!args.includes('-s3')) throw new Error('without -s3 there is no S3')
  writeFileSync(`${option(args, 'dir')}/volume`, '') // an ordinary user must be able to write there
  const host = option(args, 'ip.bind') ?? '127.0.0.1'
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = process.env
  const keys = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, region: 'us-east-1' }
  const fake = await startFakeS3({ ...keys, host, port: 8333, bucketName: '-' })
  const startedMs = Date.now()
  const master = createServer((request, response) => {
    if (Date.now() - startedMs < 3_000) response.statusCode = 503
    else if (request.method === 'PUT') fake.bucketName = (request.url ?? '').slice(1)
    response.end(fake.bucketName)
  })
  master.listen(9333, host)
  process.once('SIGTERM', () => process.exit(0))
}

const shell = async (args: readonly string[]): Promise<void> => {
  const url = `http://${option(args, 'master')}`
  while (!(await fetch(url).catch(() => undefined))) await pause(500)
  const [, command, name] = /^s3\.bucket\.(list|create -name (\S+))$/.exec((await text(process.stdin)).trim()) ?? []
  const { status, body } = await fetch(`${url}/${name ?? ''}`, { method: name ? 'PUT' : 'GET' }).then(
    async (reply) => ({
      status: reply.status,
      body: await reply.text(),
    }),
  )
  if (!command || status !== 200) console.error('error: get filer configuration: connection error')
  else console.log(name ? `create bucket under /buckets\ncreated bucket ${name}` : `  ${body}\tsize:0\tchunk:0`)
}

const [command = '', ...args] = process.argv.slice(2)
if (command === 'server') await server(args)
else if (command === 'shell') await shell(args)
else throw new Error(`this stand-in has no command ${command}`)
