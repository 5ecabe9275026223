import type { ActivityRegistry } from '../../activities/activity.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { coveredIds, type Identity } from '../../model/collections/identity.ts'
import type { StepTemplate } from '../../model/workflows/step-template.ts'
import type { Queries } from '../../store/database/database.ts'
import { offeredActivities } from '../../store/workers/offered-activities.ts'
import { stepTemplatesContract } from './contract.ts'
import { describeActivity, describeCommon } from './describe.ts'
import { describeOffered } from './describe-offered.ts'

export interface StepTemplatesDeps {
  activities: ActivityRegistry
  database: Queries
}

export const stepTemplatesRoutes = ({ activities, database }: StepTemplatesDeps): Route[] => {
  let known: StepTemplate[] | undefined
  /** Worked out with the first request, which takes it a tenth of what a whole start takes. */
  const allTemplates = (): StepTemplate[] => {
    known ??= [...activities.values()].map(describeActivity).sort((a, b) => (a.name < b.name ? -1 : 1))
    return known
  }

  /** What workers offer to the collections that the caller covers. */
  const offeredTo = async (identity: Identity | undefined, name: string | null): Promise<StepTemplate[]> =>
    identity ? (await offeredActivities(database, coveredIds(identity), name)).map(describeOffered) : []

  return implement(stepTemplatesContract, {
    listStepTemplates: async ({ query: { category, q }, identity }) => {
      const all = [...allTemplates(), ...(await offeredTo(identity, null))]
      const categories = [...new Set(all.map((template) => template.category))].sort()
      const words = q?.toLowerCase()
      const templates = all.filter(
        (template) =>
          (category === undefined || template.category === category) &&
          (words === undefined || `${template.name} ${template.description}`.toLowerCase().includes(words)),
      )
      return { templates, categories, total_count: templates.length, common_parameters: describeCommon() }
    },

    getStepTemplate: async ({ params: { activity }, identity }) => {
      const own = allTemplates().find((one) => one.name === activity)
      const template = own ?? (await offeredTo(identity, activity))[0]
      if (!template) throw new AppError('not_found', `Step template '${activity}' not found`)
      return template
    },
  })
}
