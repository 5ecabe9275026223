import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface WrkLoad {
  url: string
  headers: Record<string, string>
  body: string
  connections: number
  seconds: number
}

export interface WrkResult {
  requests: number
  seconds: number
  p50Ms: number
  p99Ms: number
}

/** wrk takes what it sends from a script, and says there what it found: as JSON, so that nothing is rounded. */
const script = ({ headers, body }: WrkLoad): string => `
wrk.method = 'POST'
wrk.body = [==[${body}]==]
${Object.entries(headers)
  .map(([name, value]) => `wrk.headers['${name}'] = '${value}'`)
  .join('\n')}
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"errors":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
`

const missing = 'wrk is needed to measure: apt-get install -y wrk'

/** Sends the same request over and over. Throws when one was not answered with 200. */
export const wrk = async (folder: string, load: WrkLoad): Promise<WrkResult> => {
  const file = join(folder, 'wrk.lua')
  writeFileSync(file, script(load))
  const { connections, seconds, url } = load
  const args = ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--timeout', '20s', '-s', file, url]
  const output = await new Promise<string>((resolve, reject) =>
    execFile('wrk', args, (error, stdout, stderr) => {
      if (!error) resolve(stdout)
      else reject(new Error('code' in error && error.code === 'ENOENT' ? missing : `wrk: ${stderr || error.message}`))
    }),
  )
  const line = /^RESULT (.*)$/m.exec(output)?.[1]
  if (!line) throw new Error(`wrk said no result: ${output}`)
  const { requests, micros, p50, p99, errors } = JSON.parse(line) as Record<string, number> & { requests: number }
  if (errors !== 0) throw new Error(`${url}: ${errors} of ${requests} calls failed`)
  return { requests, seconds: Number(micros) / 1e6, p50Ms: Number(p50) / 1e3, p99Ms: Number(p99) / 1e3 }
}
