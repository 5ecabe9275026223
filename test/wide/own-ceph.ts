import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freePort } from './free-port.ts'

const run = promisify(execFile)

/** A Ceph with the S3 API for one test, and keys for it. It has no bucket. */
export interface OwnCeph {
  url: string
  accessKeyId: string
  secretAccessKey: string
  stop(): Promise<void>
}

/** Debian's packages of Ceph, unpacked: 79 MB to fetch and 300 MB on disk, once for all runs. */
const unpackedCeph = async (): Promise<string> => {
  const cache = fileURLToPath(new URL('../../node_modules/.cache/jetty-ceph', import.meta.url))
  const root = join(cache, 'root')
  if (existsSync(root)) return root
  const archives = join(cache, 'archives')
  mkdirSync(join(archives, 'partial'), { recursive: true })
  const options = ['--download-only', '--no-install-recommends', '-y', '-o', `Dir::Cache::archives=${archives}`]
  await run('apt-get', ['install', ...options, 'radosgw', 'ceph-mon', 'ceph-osd'], { maxBuffer: 64 * 1024 ** 2 })
  const partial = join(cache, `root-${process.pid}`)
  for (const name of readdirSync(archives).filter((one) => one.endsWith('.deb'))) {
    await run('dpkg', ['-x', join(archives, name), partial])
  }
  renameSync(partial, root)
  rmSync(archives, { recursive: true, force: true })
  return root
}

const end = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended already
  }
}

/** Needs apt, dpkg and curl; neither root nor an installation. */
export const startCeph = async (): Promise<OwnCeph> => {
  const root = await unpackedCeph()
  const folder = mkdtempSync(join(tmpdir(), 'ceph-'))
  const [mon, s3] = [await freePort(), await freePort()]
  const env = { ...process.env, CEPH_ROOT: root, CEPH_DATA: folder, CEPH_MON_PORT: `${mon}`, CEPH_S3_PORT: `${s3}` }
  const stop = async () => {
    for (const name of readdirSync(folder).filter((one) => one.endsWith('.pid'))) {
      end(Number(readFileSync(join(folder, name), 'utf8')))
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  try {
    await run('bash', [fileURLToPath(new URL('start-ceph.sh', import.meta.url))], { env, timeout: 240_000 })
  } catch (error) {
    await stop()
    throw error
  }
  return { url: `http://127.0.0.1:${s3}`, accessKeyId: 'jettykey', secretAccessKey: 'jettysecret0123', stop }
}
