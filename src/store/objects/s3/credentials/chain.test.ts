import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { AppError } from '../../../../lib/errors.ts'
import type { Fetch } from '../../../../lib/net/net.ts'
import { type CredentialPlaces, makeCredentialSource, parseProfiles } from './chain.ts'

type Asked = { url: string; method: string; headers: Record<string, string>; body: string }

let folder: string
let asked: Asked[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'jetty-aws-'))
  asked = []
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** A network on which only these URLs answer. */
const network =
  (answers: Record<string, string>): Fetch =>
  async (url, { method = 'GET', headers = {}, body = '' } = {}) => {
    asked.push({ url, method, headers, body: String(body) })
    const text = answers[`${method} ${url}`]
    if (text === undefined) throw new AppError('network_failed', 'nobody is there')
    return { status: 200, headers: {}, url, text: async () => text, bytes: async () => Buffer.from(text) }
  }

const sourceOf = (variables: Record<string, string>, more: Partial<CredentialPlaces> = {}) =>
  makeCredentialSource({
    accessKeyId: undefined,
    secretAccessKey: undefined,
    region: 'eu-west-1',
    variables: { HOME: folder, ...variables },
    fetch: network({}),
    ...more,
  })

const inOneHour = () => new Date(Date.now() + 3_600_000).toISOString()
const document = (id: string, expires = inOneHour()) =>
  JSON.stringify({ AccessKeyId: id, SecretAccessKey: 'secret', Token: 'session', Expiration: expires })

describe('credentials of a bucket', () => {
  it('are those of the settings before those of the environment', async () => {
    const variables = { AWS_ACCESS_KEY_ID: 'ENV', AWS_SECRET_ACCESS_KEY: 's', AWS_SESSION_TOKEN: 't' }
    expect(await sourceOf(variables).get()).toEqual({ accessKeyId: 'ENV', secretAccessKey: 's', sessionToken: 't' })
    const keys = { accessKeyId: 'SET', secretAccessKey: 'x' }
    expect(await sourceOf(variables, keys).get()).toEqual(keys)
    const half = sourceOf(variables, { accessKeyId: 'SET' })
    await expect(half.get()).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(/belong together/),
    })
  })

  it('are those of a profile: keys, or what a program prints', async () => {
    await writeFile(
      join(folder, 'config'),
      `[profile run]\ncredential_process = echo '${document('RUN')}'\n[profile none]\nregion = x\n`,
    )
    await writeFile(join(folder, 'credentials'), '[default]\naws_access_key_id = FILE\naws_secret_access_key=s = x\n')
    const files = { AWS_CONFIG_FILE: join(folder, 'config'), AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') }
    expect(await sourceOf(files).get()).toMatchObject({ accessKeyId: 'FILE', secretAccessKey: 's = x' })
    expect(await sourceOf({ ...files, AWS_PROFILE: 'run' }).get()).toMatchObject({
      accessKeyId: 'RUN',
      sessionToken: 'session',
    })
    await expect(sourceOf({ ...files, AWS_PROFILE: 'none' }).get()).rejects.toThrow(/neither keys nor/)
  })

  it('are those of a web identity', async () => {
    await writeFile(join(folder, 'token'), 'the-token\n')
    const xml = `<A><Credentials><AccessKeyId>WEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>a&amp;b</SessionToken><Expiration>${inOneHour()}</Expiration></Credentials></A>`
    const fetch = network({ 'POST https://sts.eu-west-1.amazonaws.com': xml })
    const variables = { AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'), AWS_ROLE_ARN: 'arn:aws:iam::1:role/x' }
    expect(await sourceOf(variables, { fetch }).get()).toMatchObject({ accessKeyId: 'WEB', sessionToken: 'a&b' })
    expect(new URLSearchParams(asked[0]?.body).get('WebIdentityToken')).toBe('the-token')
  })

  it('are those of the container, which must be local or use https', async () => {
    const fetch = network({
      'GET http://169.254.170.2/v2/x': document('ECS'),
      'GET http://169.254.170.23/v1': document('EKS'),
    })
    expect(await sourceOf({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/x' }, { fetch }).get()).toMatchObject({
      accessKeyId: 'ECS',
    })
    await writeFile(join(folder, 'token'), 'pod-token\n')
    const eks = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://169.254.170.23/v1',
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(folder, 'token'),
    }
    expect(await sourceOf(eks, { fetch }).get()).toMatchObject({ accessKeyId: 'EKS' })
    expect(asked[1]?.headers).toEqual({ authorization: 'pod-token' })
    const foreign = sourceOf({ AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.com/v1' }, { fetch })
    await expect(foreign.get()).rejects.toThrow(/no local address/)
  })

  it('are those of the instance, with a session', async () => {
    const base = 'http://169.254.169.254/latest'
    const roles = `${base}/meta-data/iam/security-credentials/`
    const fetch = network({
      [`PUT ${base}/api/token`]: 'imds',
      [`GET ${roles}`]: 'my-role',
      [`GET ${roles}my-role`]: document('EC2'),
    })
    expect(await sourceOf({}, { fetch }).get()).toMatchObject({ accessKeyId: 'EC2' })
    expect(asked.slice(1).map(({ headers }) => headers['x-aws-ec2-metadata-token'])).toEqual(['imds', 'imds'])
    await expect(sourceOf({ AWS_EC2_METADATA_DISABLED: 'true' }, { fetch }).get()).rejects.toMatchObject({
      code: 'invalid',
    })
  })

  it('are asked for once by all, renewed before they expire, and kept while a renewal fails', async () => {
    const url = 'GET http://169.254.170.2/v2/x'
    const answers = { [url]: document('ONE') }
    const source = sourceOf({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/x' }, { fetch: network(answers) })
    const found = await Promise.all([source.get(), source.get(), source.get()])
    expect([found[2]?.accessKeyId, asked.length]).toEqual(['ONE', 1])
    await source.get()
    expect(asked).toHaveLength(1)
    answers[url] = document('TWO', new Date(Date.now() + 240_000).toISOString())
    source.forget()
    expect((await source.get()).accessKeyId).toBe('TWO')
    answers[url] = '{}'
    expect((await source.get()).accessKeyId).toBe('TWO')
    answers[url] = document('THREE')
    expect((await source.get()).accessKeyId).toBe('THREE')
  })

  it('say what to set when there are none', async () => {
    const error = await sourceOf({})
      .get()
      .catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'invalid', hint: expect.stringContaining('JETTY_STORAGE_ACCESS_KEY_ID') })
  })
})

it('reads the sections of a profile file', () => {
  const text =
    '# x\n[default]\nregion=eu\n\n[profile a b]\r\nS3 =\n  max = 1\naws_access_key_id = K ; x\n[ default ]\noutput = json'
  expect(parseProfiles(text)).toEqual({
    default: { region: 'eu', output: 'json' },
    'a b': { s3: '', aws_access_key_id: 'K ; x' },
  })
})
