import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ConfigError, loadSettings, settingList } from './config.ts'

const failureOf = (env: Record<string, string>): ConfigError => {
  try {
    loadSettings(env)
  } catch (error) {
    if (error instanceof ConfigError) return error
  }
  throw new Error('no ConfigError was thrown')
}

describe('loadSettings', () => {
  it('has a default for everything that needs one', () => {
    const settings = loadSettings({})
    expect(settings).toMatchObject({
      host: '127.0.0.1',
      port: 7070,
      dataDir: join(homedir(), '.jetty'),
      role: 'all',
      workerConcurrency: 256,
      allowPrivateNetwork: [],
      maxUploadBytes: 1024 ** 3,
      syncWaitSeconds: 600,
      exposeEnvValues: false,
      logLevel: 'info',
    })
    expect(settings.databaseUrl).toBeUndefined()
    expect(settings.secretKeys).toBeUndefined()
  })

  it('accepts the example of every setting', () => {
    const key = Buffer.alloc(32, 7).toString('base64')
    for (const one of settingList) {
      const example = one.variable === 'JETTY_SECRET_KEY' ? key : one.example
      expect(() => loadSettings({ [one.variable]: example }), one.variable).not.toThrow()
    }
  })

  it('treats an empty variable as unset', () => {
    expect(loadSettings({ JETTY_PORT: '', DATABASE_URL: ' ' })).toMatchObject({ port: 7070, databaseUrl: undefined })
  })

  it('reads sizes with units, lists and keys', () => {
    const old = Buffer.alloc(32, 1)
    const settings = loadSettings({
      JETTY_MAX_UPLOAD_BYTES: '2 MB',
      JETTY_ALLOW_PRIVATE_NETWORK: 'localhost:11434, 10.0.0.0/8,[::1]:80,fd00::/8,db.internal,*',
      JETTY_SECRET_KEY: `${Buffer.alloc(32, 2).toString('hex')},${old.toString('base64')}`,
      JETTY_PUBLIC_URL: 'https://jetty.example.com/',
      JETTY_EXPOSE_ENV_VALUES: 'yes',
    })
    expect(settings.maxUploadBytes).toBe(2 * 1024 ** 2)
    expect(settings.allowPrivateNetwork).toHaveLength(6)
    expect(settings.secretKeys?.[1]?.equals(old)).toBe(true)
    expect(settings.publicUrl).toBe('https://jetty.example.com')
    expect(settings.exposeEnvValues).toBe(true)
  })

  it.each([
    ['JETTY_PORT', '70700'],
    ['JETTY_PORT', '70.5'],
    ['JETTY_ROLE', 'boss'],
    ['JETTY_WORKER_CONCURRENCY', '0'],
    ['JETTY_ALLOW_PRIVATE_NETWORK', '10.0.0.0/99'],
    ['JETTY_ALLOW_PRIVATE_NETWORK', 'http://localhost'],
    ['JETTY_MAX_UPLOAD_BYTES', '1 litre'],
    ['JETTY_SYNC_WAIT_SECONDS', '-1'],
    ['JETTY_PUBLIC_URL', 'jetty.example.com'],
    ['JETTY_LOG_LEVEL', 'loud'],
  ])('names %s, the value %s and an example', (variable, value) => {
    const { message } = failureOf({ [variable]: value })
    expect(message).toContain(`${variable} must`)
    expect(message).toContain(value)
    expect(message).toContain(`Example: ${variable}=`)
  })

  it('never shows a secret', () => {
    const { message, variables } = failureOf({
      DATABASE_URL: 'mysql://u:hunter2hunter2@h/d',
      JETTY_ADMIN_TOKEN: 'hunter2',
      JETTY_SECRET_KEY: 'hunter2hunter2',
    })
    expect(variables).toEqual(['DATABASE_URL', 'JETTY_ADMIN_TOKEN', 'JETTY_SECRET_KEY'])
    expect(message).not.toContain('hunter2')
  })
})
