import type { ActivityRegistry } from '../../activities/activity.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import type { StepTemplate } from '../../model/workflows/step-template.ts'
import { stepTemplatesContract } from './contract.ts'
import { describeActivity } from './describe.ts'

export interface StepTemplatesDeps {
  activities: ActivityRegistry
}

export const stepTemplatesRoutes = ({ activities }: StepTemplatesDeps): Route[] => {
  let known: StepTemplate[] | undefined
  /** Worked out with the first request, which takes it a tenth of what a whole start takes. */
  const allTemplates = (): StepTemplate[] => {
    known ??= [...activities.values()].map(describeActivity).sort((a, b) => (a.name < b.name ? -1 : 1))
    return known
  }

  return implement(stepTemplatesContract, {
    listStepTemplates: async ({ query: { category, q } }) => {
      const all = allTemplates()
      const categories = [...new Set(all.map((template) => template.category))].sort()
      const words = q?.toLowerCase()
      const templates = all.filter(
        (template) =>
          (category === undefined || template.category === category) &&
          (words === undefined || `${template.name} ${template.description}`.toLowerCase().includes(words)),
      )
      return { templates, categories, total_count: templates.length }
    },

    getStepTemplate: async ({ params }) => {
      const template = allTemplates().find((one) => one.name === params.activity)
      if (!template) throw new AppError('not_found', `Step template '${params.activity}' not found`)
      return template
    },
  })
}
