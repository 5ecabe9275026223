import { z } from 'zod'
import { activity } from '../activity.ts'
import { givenFields, productOutputs, productParameters } from './product-parameters.ts'

const object = z.record(z.string(), z.unknown())

/** Writes a trained model to the registry, and records that this run made the version. */
export const registerModel = activity({
  name: 'register_model',
  category: 'data',
  description: 'Registers a model that the run has made: creates it, or adds a version to the one with its name.',
  parameters: z.object({
    ...productParameters,
    weights: z
      .string()
      .min(1)
      .max(2000)
      .describe('Where the model is: a storage path, or an address such as hf://acme/model. It is its `model_path`.'),
    metadata: object.optional().describe('Metadata of the model.'),
    attributes: object.optional().describe('Facts about it, such as its size or its scores.'),
  }),
  outputs: z.object({ model: z.string().describe('Name of the model.'), ...productOutputs }),
  example: {
    activity: 'register_model',
    name: 'router',
    weights_path: 'init_params.weights',
    made_from: ['dataset/acme/questions'],
    activity_name: 'training',
  },
  gotchas: [
    'A file that weights names belongs to its run: it is not copied, and is deleted with the run.',
    'The same content again makes no new version, so a step that is executed twice after a crash registers once.',
  ],
  async run({ name, weights, description, metadata, metadata_version, attributes, made_from, activity_name }, context) {
    const made = await context.products.register({
      ...{ kind: 'trained_model', name, activityName: activity_name, madeFrom: made_from },
      fields: givenFields({
        ...{ model_path: weights, long_description: description, metadata_version },
        ...{ model_metadata: metadata, model_attributes: attributes },
      }),
    })
    return { model: made.name, collection: made.collection, version: made.version, created: made.created }
  },
})
