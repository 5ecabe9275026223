import { join, resolve } from 'node:path'
import { Argument, type Command } from 'commander'
import pc from 'picocolors'
import { AppError, invalidField } from '../../lib/errors.ts'
import { type CodingAgent, codingAgents } from '../../model/runbooks/runbook-agents.ts'
import { type Session, withSession } from '../session.ts'
import { safe, table } from '../show/output.ts'
import { carryOutPlan, linkOnTheWay, planSkill, type SkillFileAction, type SkillPlan } from '../skills/install-skill.ts'
import { readPackagedSkills } from '../skills/packaged-skills.ts'
import { agentsOfUser, skillFolders } from '../skills/skill-folders.ts'

interface InstallOptions {
  project?: boolean
  dir?: string
  dryRun?: boolean
  force?: boolean
}

/** `jetty skills …`. */
export const registerSkills = (program: Command): void => {
  const skills = program
    .command('skills')
    .description('Install skills that teach a coding agent to use Jetty; needs no server')
  skills
    .command('install')
    .description('Put the skills where a coding agent looks for them')
    .addArgument(
      new Argument('[agents...]', 'which agents (default: those used on this machine)').choices(codingAgents),
    )
    .option('--project', 'install for the project in the current folder, not for all projects')
    .option('--dir <path>', 'install into this folder, whatever the agent')
    .option('--dry-run', 'show what would be written, and write nothing')
    .option('--force', 'overwrite files that were changed after they were installed')
    .addHelpText(
      'after',
      `
Run it again after an upgrade. It updates the files that it wrote, and stops before it changes anything if somebody has
edited one of them.

Examples:
  jetty skills install
  jetty skills install claude-code codex --project
  jetty skills install --dir ~/agent/skills --dry-run`,
    )
    .action(withSession<InstallOptions, [CodingAgent[]]>(install))
  skills
    .command('ls')
    .description('List the skills, and the agents that have them')
    .addHelpText('after', '\nExamples:\n  jetty skills ls\n  jetty skills ls --json')
    .action(withSession<object, []>(list))
}

const chosenAgents = (agents: CodingAgent[]): CodingAgent[] => {
  const chosen = agents.length > 0 ? [...new Set(agents)] : agentsOfUser()
  if (chosen.length > 0) return chosen
  throw invalidField(
    ['agents'],
    `No coding agent was used on this machine. Name one of ${codingAgents.join(', ')}, or a folder with --dir`,
  )
}

const refuseLink = (folder: string): void => {
  const link = linkOnTheWay(folder)
  if (link === undefined) return
  throw new AppError('conflict', `Nothing was installed: ${link} is a link`, {
    hint: 'A link of a project can lead anywhere. Name the folder that you mean with --dir.',
  })
}

/** Folders to install into. Agents that share a folder get it once. */
const targetsOf = (agents: CodingAgent[], { project, dir }: InstallOptions): string[] => {
  if (dir !== undefined) return [resolve(dir)]
  const folders = skillFolders()
  const chosen = chosenAgents(agents).map((agent) => folders[agent][project ? 'project' : 'user'])
  if (project) for (const folder of chosen) refuseLink(folder)
  return [...new Set(chosen.map((folder) => resolve(folder)))]
}

const changedFiles = (plans: SkillPlan[]): string[] =>
  plans.flatMap(({ skill, parent, files }) =>
    files.filter(({ action }) => action === 'changed').map(({ path }) => join(parent, skill.name, path)),
  )

const refuseChanged = (plans: SkillPlan[]): void => {
  const changed = changedFiles(plans)
  if (changed.length === 0) return
  throw new AppError('conflict', `Nothing was installed: somebody changed ${changed.join(', ')}`, {
    hint: 'Move your changes elsewhere, or overwrite them with --force.',
  })
}

const actions: readonly SkillFileAction[] = ['added', 'updated', 'removed', 'changed', 'unchanged']

const planData = ({ skill, parent, files }: SkillPlan) => ({
  skill: skill.name,
  folder: join(parent, skill.name),
  ...(Object.fromEntries(
    actions.map((action) => [action, files.filter((file) => file.action === action).map(({ path }) => path)]),
  ) as Record<SkillFileAction, string[]>),
})

const planText = (plan: SkillPlan): string => {
  const { folder, ...files } = planData(plan)
  const counts = actions
    .filter((action) => files[action].length > 0)
    .map((action) => `${files[action].length} ${action}`)
  return `${pc.green('✓')} ${safe(folder)}: ${counts.join(', ')}`
}

const install = async ({ out }: Session, [agents]: [CodingAgent[]], options: InstallOptions): Promise<void> => {
  const skills = readPackagedSkills()
  const plans = targetsOf(agents, options).flatMap((parent) => skills.map((skill) => planSkill(skill, parent)))
  if (!options.dryRun) {
    if (!options.force) refuseChanged(plans)
    for (const plan of plans) carryOutPlan(plan)
  }
  out.answer(plans.map(planData), () => plans.map(planText).join('\n'))
  if (options.dryRun) out.note('Nothing was written (--dry-run)')
}

const stateOf = ({ files }: SkillPlan): 'none' | 'current' | 'outdated' | 'changed' => {
  if (files.every(({ action }) => action === 'added')) return 'none'
  if (files.some(({ action }) => action === 'changed')) return 'changed'
  return files.every(({ action }) => action === 'unchanged') ? 'current' : 'outdated'
}

const list = async ({ out }: Session): Promise<void> => {
  const folders = skillFolders()
  const rows = readPackagedSkills().map((skill) => ({
    name: skill.name,
    description: skill.description,
    agents: Object.fromEntries(
      codingAgents.map((agent) => [agent, stateOf(planSkill(skill, folders[agent].user))]),
    ) as Record<CodingAgent, string>,
  }))
  out.answer(rows, () =>
    table(
      ['SKILL', ...codingAgents.map((agent) => agent.toUpperCase())],
      rows.map(({ name, agents }) => [name, ...codingAgents.map((agent) => agents[agent])]),
    ),
  )
}
