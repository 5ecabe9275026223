import { activity, z } from 'jetty-server/activity'

export default activity({
  name: 'text.count_words',
  description: 'Counts the words of a text.',
  parameters: z.object({
    text: z.string().describe('Text to count.'),
    longer_than: z.int().default(0).describe('Counts only words with more letters.'),
  }),
  outputs: z.object({ words: z.int().describe('Number of words.') }),
  example: { activity: 'text.count_words', text_path: 'init_params.text', longer_than: 3 },
  async run({ text, longer_than }) {
    const words = text.match(/\p{Letter}+/gu) ?? []
    return { words: words.filter((word) => word.length > longer_than).length }
  },
})
