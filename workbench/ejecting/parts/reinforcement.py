"""Answers that are drawn and scored: what is added to TRL's GRPOTrainer."""

import torch
from transformers import GenerationConfig
from trl import GRPOTrainer
from trl.trainer.utils import RepeatSampler

MIXED, MAX_ANSWER, ENDS, PAD = False, 0, [], 0  # the script's own


class EpochPrompts(RepeatSampler):
    """TRL's order of the prompts, each epoch's drawn from the seed and the epoch alone."""

    def set_epoch(self, epoch):
        self.generator.manual_seed(self.seed + 1_000_003 * epoch)


class RunTrainer(GRPOTrainer):
    """TRL's Trainer, on prompts that are tokens already; an evaluation is the mean reward of the
    likeliest answers, as a loss: with a minus before it."""

    def prepare(self, evaluation, reward):
        """Take what is no argument of a Trainer."""
        self.evaluation, self.reward = evaluation, reward

    def _get_train_sampler(self, dataset=None):
        args = self.args
        return EpochPrompts(
            self.train_dataset,
            mini_repeat_count=args.num_generations,
            batch_size=args.generation_batch_size // args.num_generations,
            repeat_count=args.num_iterations * args.steps_per_generation,
            seed=args.seed,
        )

    def _tokenize_prompts(self, prompts):
        return prompts, None, {}

    def _send_telemetry(self):
        """Nothing leaves the machine."""

    def mixed(self):
        return torch.autocast(self.args.device.type, torch.bfloat16, enabled=MIXED)

    def compute_loss(self, *given, **named):
        with self.mixed():
            return super().compute_loss(*given, **named)

    def _get_per_token_logps_and_entropies(self, *given, **named):
        with self.mixed():
            return super()._get_per_token_logps_and_entropies(*given, **named)

    def evaluate(self, *_, **__):
        settings = GenerationConfig(
            do_sample=False, max_new_tokens=MAX_ANSWER, eos_token_id=ENDS, pad_token_id=PAD
        )
        training, rewards = self.model.training, []
        self.model.eval()
        for ids, row in self.evaluation:
            prompt = torch.tensor([ids], device=self.args.device)
            with torch.no_grad():
                made = self.model.generate(
                    input_ids=prompt,
                    attention_mask=torch.ones_like(prompt),
                    generation_config=settings,
                )
            answer = made[0, len(ids) :]
            text = self.processing_class.decode(answer, skip_special_tokens=True)
            rewards.append(float(self.reward(text, row)))
        self.model.train(training)
        reward = sum(rewards) / len(rewards)
        metrics = {"eval_loss": -reward, "eval_reward": reward}
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics
