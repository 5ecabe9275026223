import type { ActivityRegistry } from '../../activities/activity.ts'
import { implement, type Route } from '../../http/implement.ts'
import { AppError } from '../../lib/errors.ts'
import { stepTemplatesContract } from './contract.ts'
import { describeActivity } from './describe.ts'

export interface StepTemplatesDeps {
  activities: ActivityRegistry
}

export const stepTemplatesRoutes = ({ activities }: StepTemplatesDeps): Route[] => {
  const all = [...activities.values()].map(describeActivity).sort((a, b) => (a.name < b.name ? -1 : 1))
  const categories = [...new Set(all.map((template) => template.category))].sort()

  return implement(stepTemplatesContract, {
    listStepTemplates: async ({ query: { category, q } }) => {
      const words = q?.toLowerCase()
      const templates = all.filter(
        (template) =>
          (category === undefined || template.category === category) &&
          (words === undefined || `${template.name} ${template.description}`.toLowerCase().includes(words)),
      )
      return { templates, categories, total_count: templates.length }
    },

    getStepTemplate: async ({ params }) => {
      const template = all.find((one) => one.name === params.activity)
      if (!template) throw new AppError('not_found', `Step template '${params.activity}' not found`)
      return template
    },
  })
}
