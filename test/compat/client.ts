import { type OutgoingHttpHeaders, request } from 'node:http'
import { expect } from 'vitest'
import { type Body, startTestServer, type TestServer, type TestServerOptions } from '../server.ts'
import { countRequests } from './promise.ts'

export interface Answer {
  status: number
  type: string
  headers: Record<string, string | string[] | undefined>
  bytes: Buffer
  text: string
  body: Body
}

/** What a command line client sends: the path exactly as it is written, nothing encoded or folded. */
export interface Client {
  send(
    method: string,
    path: string,
    options?: { headers?: OutgoingHttpHeaders; body?: string | Buffer },
  ): Promise<Answer>
  json(method: string, path: string, body: unknown): Promise<Answer>
  /** A form as curl -F writes it; a part with a file name is a file. */
  form(path: string, parts: FormPart[], token?: string | null): Promise<Answer>
}

export interface FormPart {
  name: string
  content: string | Buffer
  filename?: string
  type?: string
}

export interface CompatServer {
  jetty: TestServer
  /** With a key that covers `acme` alone. */
  client: Client
  key: string
  admin: Client
  nobody: Client
  /** Waits for the end of a run. */
  ended(task: string, id: string): Promise<Body>
  /** Fails where a request of a real client was answered with a warning: what they send is known. */
  close(): Promise<void>
}

/** Of a list of runs before the first one: it says that the task is not there yet, and drops nothing. */
const isOfNoTask = (warning: string): boolean => / has no task '.*' yet/.test(warning)

const boundary = '------------------------d74496d66958873e'

/** The body of a form, by hand, as curl writes it. */
export const formBody = (parts: FormPart[]): Buffer =>
  Buffer.concat([
    ...parts.flatMap(({ name, content, filename, type }) => [
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"` +
          `${filename === undefined ? '' : `; filename="${filename}"`}\r\n` +
          `${type === undefined ? '' : `Content-Type: ${type}\r\n`}\r\n`,
      ),
      Buffer.from(content),
      Buffer.from('\r\n'),
    ]),
    Buffer.from(`--${boundary}--\r\n`),
  ])

export const clientOf = (url: string, token: string | null, warned: (text: string) => void = () => {}): Client => {
  const { hostname, port } = new URL(url)
  const send: Client['send'] = (method, path, { headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const sent = request(
        {
          host: hostname,
          port,
          method,
          path,
          agent: false,
          headers: {
            'user-agent': 'curl/8.5.0',
            accept: '*/*',
            ...(token === null ? {} : { authorization: `Bearer ${token}` }),
            ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk) => chunks.push(chunk))
          response.on('end', () => {
            const bytes = Buffer.concat(chunks)
            const type = response.headers['content-type'] ?? ''
            const warning = String(response.headers['x-jetty-warnings'] ?? '')
            if (warning !== '' && !isOfNoTask(warning)) warned(`${method} ${path}: ${warning}`)
            const text = bytes.toString()
            resolve({
              status: response.statusCode ?? 0,
              type,
              headers: response.headers,
              bytes,
              text,
              get body() {
                return JSON.parse(text)
              },
            })
          })
        },
      )
      sent.on('error', reject)
      sent.end(body)
    })
  return {
    send,
    json: (method, path, body) =>
      send(method, path, { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    form: (path, parts) =>
      send('POST', path, {
        headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
        body: formBody(parts),
      }),
  }
}

export const echoing = {
  init_params: { text: 'Hello!' },
  step_configs: { echo: { activity: 'text_echo', text_path: 'init_params.text' } },
  steps: ['echo'],
}

/** A server with the collection `acme` and a key for it, as the acceptance tests of the contract want it. */
export const startCompatServer = async (
  env: Record<string, string> = {},
  options: Pick<TestServerOptions, 'clock'> = {},
): Promise<CompatServer> => {
  const jetty = await startTestServer({ ...options, env })
  countRequests(jetty.url)
  const made = await jetty.call('POST', '/api/v1/api-keys/', { name: 'ci', collection_name: 'acme' })
  const key: string = made.body.api_key
  const warnings: string[] = []
  const client = (token: string | null) => clientOf(jetty.url, token, (text) => void warnings.push(text))
  return {
    jetty,
    key,
    client: client(key),
    admin: client(jetty.server.adminToken),
    nobody: client(null),
    ended: (task, id) => jetty.until(task, id, (seen) => seen.ended !== null),
    async close() {
      await jetty.close()
      expect(warnings).toEqual([])
    },
  }
}
