import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { readPackagedSkills } from '../../src/cli/commands/skills.ts'
import type { Body } from '../server.ts'
import { openShell, type Shell } from './shell.ts'

let shell: Shell
beforeAll(() => {
  shell = openShell('http://127.0.0.1:9', 'mlc_none')
})
afterAll(() => shell?.close())

const at = (...path: string[]) => join(shell.home, ...path)
const install = (...args: string[]) => shell.jetty(['skills', 'install', ...args])

describe('the skills', () => {
  const skills = readPackagedSkills()

  it('have what every agent asks of the front matter, and a name like their folder', () => {
    expect(skills.map(({ name }) => name)).toEqual(['create-runbook', 'jetty', 'jetty-setup', 'optimize-runbook'])
    for (const { name, description, files } of skills) {
      const matter = parse(/^---\n([\s\S]*?)\n---\n/.exec(files.get('SKILL.md')?.toString() ?? '')?.[1] ?? '')
      expect(matter).toEqual({ name, description })
      expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/)
      expect(description.length).toBeGreaterThan(40)
      expect(description.length).toBeLessThanOrEqual(1024)
      expect(files.get('SKILL.md')?.toString().split('\n').length).toBeLessThan(300)
    }
  })

  it('link to files of their own folder, since each is installed alone', () => {
    for (const { name, files } of skills) {
      const links = [...files].flatMap(([path, bytes]) =>
        path.endsWith('.md')
          ? [...bytes.toString().matchAll(/\]\((?![a-z]+:)([^)#\s]+)\)/g)].map(([, link = '']) => ({ path, link }))
          : [],
      )
      const broken = links.filter(({ path, link }) => !files.has(join(path, '..', link)))
      expect([name, broken]).toEqual([name, []])
    }
  })

  it('send the token to no host that a path makes of the address', () => {
    const script = fileURLToPath(new URL('../../skills/jetty/scripts/call.sh', import.meta.url))
    const env = { PATH: process.env.PATH, HOME: shell.home, JETTY_API_URL: 'http://jetty', JETTY_API_TOKEN: 'mlc_none' }
    for (const path of ['@127.0.0.1:9/', '.example.com/', ':9/']) {
      const { status, stderr } = spawnSync('sh', [script, 'GET', path], { env, encoding: 'utf8' })
      expect([status, stderr]).toEqual([2, `PATH must begin with /, got: ${path}\n`])
    }
  })

  it('hold no token', () => {
    const text = skills.flatMap(({ files }) => [...files.values()].map(String)).join('\n')
    expect(text).not.toMatch(/mlc_[a-z0-9]{8,}|sk-[a-z0-9]{8,}/)
  })
})

describe('jetty skills install', () => {
  it('asks which agent where none was used, and says what exists', async () => {
    const ended = await install()
    expect(ended).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('claude-code, codex, gemini-cli, opencode'),
    })
  })

  it('shows what it would write', async () => {
    const ended = await install('claude-code', '--dry-run')
    expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining('Nothing was written') })
    expect(ended.stdout).toContain(at('.claude/skills/jetty'))
    expect(existsSync(at('.claude'))).toBe(false)
  })

  it('puts them where each agent looks, for all projects or for one', async () => {
    expect(await install('claude-code', 'codex', 'gemini-cli', 'opencode')).toMatchObject({ code: 0 })
    const users = ['.claude/skills', '.agents/skills', '.gemini/skills', '.config/opencode/skills']
    for (const folder of users) expect(readFileSync(at(folder, 'jetty/SKILL.md'), 'utf8')).toContain('name: jetty')
    expect(await install('opencode', '--project')).toMatchObject({ code: 0 })
    expect(existsSync(at('.opencode/skills/create-runbook/references/rules.md'))).toBe(true)
    const { agents } = (await shell.jetty(['skills', 'ls', '--json'])).json()[0] as Body
    expect(agents).toEqual({ 'claude-code': 'current', codex: 'current', 'gemini-cli': 'current', opencode: 'current' })
  })

  it('updates what it wrote, and stops before it touches what somebody changed', async () => {
    const skill = at('.claude/skills/jetty')
    const record = JSON.parse(readFileSync(join(skill, '.jetty-skill.json'), 'utf8'))
    // As an older version would have left them: one file with other bytes, one that is no more.
    writeFileSync(join(skill, 'references/old.md'), 'old')
    writeFileSync(join(skill, 'SKILL.md'), 'old')
    const hash = 'cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4' // sha256 of "old"
    Object.assign(record.files, { 'references/old.md': hash, 'SKILL.md': hash })
    writeFileSync(join(skill, '.jetty-skill.json'), JSON.stringify(record))
    const [updated] = (await install('claude-code', '--json')).json().filter((one: Body) => one.skill === 'jetty')
    expect(updated).toMatchObject({ added: [], updated: ['SKILL.md'], removed: ['references/old.md'], changed: [] })
    expect(existsSync(join(skill, 'references/old.md'))).toBe(false)

    writeFileSync(join(skill, 'SKILL.md'), 'mine')
    rmSync(join(skill, 'references/errors.md'))
    const refused = await install('claude-code')
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining(join(skill, 'SKILL.md')) })
    expect(readFileSync(join(skill, 'SKILL.md'), 'utf8')).toBe('mine')
    expect(existsSync(join(skill, 'references/errors.md'))).toBe(false)
    expect(await install('claude-code', '--force')).toMatchObject({ code: 0 })
    expect(readFileSync(join(skill, 'SKILL.md'), 'utf8')).toContain('name: jetty')
  })

  it('writes through no link: it counts as changed, and --force replaces the link', async () => {
    mkdirSync(at('elsewhere'))
    mkdirSync(at('linked'))
    symlinkSync(at('elsewhere'), at('linked/jetty'))
    expect(await install('--dir', 'linked')).toMatchObject({ code: 2 })
    expect(existsSync(at('elsewhere/SKILL.md'))).toBe(false)
    expect(await install('--dir', 'linked', '--force')).toMatchObject({ code: 0 })
    expect(existsSync(at('elsewhere/SKILL.md'))).toBe(false)
    expect(existsSync(at('linked/jetty/SKILL.md'))).toBe(true)
    rmSync(at('.gemini'), { recursive: true })
    symlinkSync(at('elsewhere'), at('.gemini'))
    expect(await install('gemini-cli', '--project')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('.gemini is a link'),
    })
    expect(existsSync(at('elsewhere/skills'))).toBe(false)
  })
})
